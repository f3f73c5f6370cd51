import { detectionFields } from '@serin/inference/detections';
import { SerinError } from '@serin/protocol/errors';

import { int, ints, type Dimension, type Model } from '../onnx/graph.ts';
import { extendModel, type GraphTools } from './extend.ts';
import { checkTemperature, dimsOf, findOutput, keepEmbedding, readied } from './heads.ts';
import type { Placement } from './input.ts';

export const detectionsOutput = 'detections';
export const boxesOutput = 'boxes';

export interface DetectionOptions {
  /**
   * Where boxes and scores are. `fields-first`: one output [N, 4 + classes, boxes]. `boxes-first`: [N, boxes, 4 + classes].
   * `apart`: [N, boxes, 4] beside [N, boxes, classes].
   */
  readonly form: 'fields-first' | 'boxes-first' | 'apart';
  /** The one output, or that of the boxes. */
  readonly output?: string;
  /** The output of the scores, where they are apart. */
  readonly scoresOutput?: string;
  /** After the four numbers of a box comes whether there is anything; scores are multiplied by it. */
  readonly objectness?: boolean;
  /** The last field is an angle in radians. */
  readonly angle?: boolean;
  readonly corners?: 'cxcywh' | 'xyxy' | 'yxyx';
  /** Of the network's picture: its pixels, or shares of its sides. */
  readonly unit?: 'pixels' | 'shares';
  readonly scores?: 'probabilities' | 'logits' | 'softmax-logits';
  /** The class that means nothing is there; labels count the others. */
  readonly background?: 'first' | 'last';
  /** Where the frame lies in the network's picture, as `withImageInput` says. */
  readonly placement: Placement;
  /** Rows of the output. */
  readonly rows?: number;
  /** Boxes of a class that overlap a better one by more go. */
  readonly overlapMax?: number;
  /** Below it a row is empty; after the temperature. */
  readonly scoreMin?: number;
  /** Logits of scores are divided by it. */
  readonly temperature?: number;
  /** So many boxes, by the score of their best class, are compared with each other. */
  readonly candidatesMax?: number;
  /** Puts out the corners left, top, right, bottom of every row as well, in pixels of the frame. */
  readonly boxes?: boolean;
}

const refuse = (detail: string, hint: string): SerinError => new SerinError('MODEL_UNSUPPORTED', { detail, hint });
const certaintyMax = 1 - 1e-7;

/**
 * A detector that answers with rows of `detections`, the best first: label, x, y, angle and score, in pixels of the frame.
 * What overlaps a better box of its class goes in the graph; rows that are not used are zero.
 */
export function withDetections(original: Model, options: DetectionOptions): Model {
  const model = readied(original);
  const { rows = 32, temperature = 1, overlapMax = 0.45, scoreMin = 0.25, placement } = options;
  checkTemperature(temperature);
  if (!(Number.isInteger(rows) && rows >= 1 && rows <= 1000)) throw refuse(`${rows} rows of detections`, 'From 1 to 1000');
  if (![overlapMax, scoreMin].every((share) => share >= 0 && share < 1))
    throw refuse(`limits of ${overlapMax} and ${scoreMin}`, 'Shares from 0 to less than 1');
  const found = findScored(model, options);
  const makes = [detectionsOutput, ...(options.boxes === true ? [boxesOutput] : [])];
  return extendModel(model, { stem: 'detections', makes, keep: keepEmbedding }, (tools) => {
    const { add, several, whole, number, split, output } = tools;
    const scored = nominate(readScored(found, options, tools), options, tools);
    const kept = suppress(scored, rows, overlapMax, rawScore(scoreMin, temperature), tools);
    const count = Math.min(rows, scored.classes * scored.count);
    const [best = '', places = ''] = several('TopK', [add('Reshape', [kept, whole([0, -1])]), whole([count])], 2, { axis: int(-1) });

    const columns = add('Unsqueeze', [places, whole([2])]);
    const width = whole([scored.count]);
    const label = add('Cast', [add('Div', [columns, width])], { to: int(1) });
    const box = add('Mod', [columns, width]);
    const look = (values: string, fields: number): string => add('GatherElements', [values, add('Expand', [box, whole([1, 1, fields])])], { axis: int(1) });
    const [cx = '', cy = '', w = '', h = ''] = split(look(scored.boxes, 4), 2, [1, 1, 1, 1]);
    const { scaleX, scaleY, left, top } = placement;
    const back = (value: string, start: number, scale: number): string => {
      const moved = start === 0 ? value : add('Sub', [value, number(start)]);
      return scale === 1 ? moved : add('Mul', [moved, number(1 / scale)]);
    };
    const [x, y] = [back(cx, left, scaleX), back(cy, top, scaleY)];
    const raw = add('Unsqueeze', [best, whole([2])]);
    const used = add('Greater', [raw, number(0)]);
    const angle = scored.angles === undefined ? add('Mul', [label, number(0)]) : look(scored.angles, 1);
    const score = cooled(raw, temperature, tools);
    const spare = rows - count;
    writeDetections({ label, x, y, angle, score }, used, [found.batch, rows], tools, spare);
    if (options.boxes !== true) return;
    const [halfW, halfH] = [add('Mul', [w, number(0.5 / scaleX)]), add('Mul', [h, number(0.5 / scaleY)])];
    const corners = add('Concat', [add('Sub', [x, halfW]), add('Sub', [y, halfH]), add('Add', [x, halfW]), add('Add', [y, halfH])], { axis: int(2) });
    output(boxesOutput, 'float32', [found.batch, rows, 4], filledUp(add('Where', [used, corners, number(0)]), spare, tools));
  });
}

/** Columns [N, rows, 1] of detections, best first. */
export type DetectionColumns = Readonly<Record<'label' | 'x' | 'y' | 'angle' | 'score', string>>;

/** Makes them the output `detections`; rows that are not used are zero, and so are spare ones after them. */
export function writeDetections(columns: DetectionColumns, used: string, [batch, rows]: readonly [Dimension, number], tools: GraphTools, spare = 0): void {
  const { label, x, y, angle, score } = columns;
  const table = tools.add('Concat', [label, x, y, angle, score], { axis: int(2) });
  const kept = tools.add('Where', [used, table, tools.number(0)]);
  tools.output(detectionsOutput, 'float32', [batch, rows, detectionFields], filledUp(kept, spare, tools));
}

const filledUp = (value: string, spare: number, { add, whole }: GraphTools): string =>
  spare === 0 ? value : add('Pad', [value, whole([0, 0, 0, 0, spare, 0])]);

/** The score before the temperature that is this one after it. */
function rawScore(score: number, temperature: number): number {
  if (score <= 0 || temperature === 1) return score;
  return 1 / (1 + Math.exp(-temperature * Math.log(score / (1 - score))));
}

/** Scores whose logits are divided by the temperature. */
function cooled(score: string, temperature: number, { add, number }: GraphTools): string {
  if (temperature === 1) return score;
  const clipped = add('Clip', [score, number(1 - certaintyMax), number(certaintyMax)]);
  const logit = add('Log', [add('Div', [clipped, add('Sub', [number(1), clipped])])]);
  return add('Sigmoid', [add('Mul', [logit, number(1 / temperature)])]);
}

interface Found {
  readonly boxes: string;
  readonly scores: string | undefined;
  readonly batch: Dimension;
  readonly count: number;
  /** Scores of a box, the background's included. */
  readonly columns: number;
}

function findScored(model: Model, options: DetectionOptions): Found {
  const { form, objectness = false, angle = false } = options;
  const isApart = form === 'apart';
  if (isApart && (options.output === undefined || options.scoresOutput === undefined)) throw refuse('boxes and scores apart', 'Name both outputs');
  if (isApart && (objectness || angle)) throw refuse('objectness or angles beside scores that are apart', 'Only one joined output can have them');
  const boxes = findOutput(model, options.output, 'the boxes');
  const scores = isApart ? findOutput(model, options.scoresOutput, 'the scores') : undefined;
  const dims = dimsOf(model, boxes);
  const [batch = 'N', first, second] = dims;
  const [count, fields] = form === 'fields-first' ? [second, first] : [first, second];
  const scoreDims = scores === undefined ? undefined : dimsOf(model, scores);
  const columns = scoreDims?.[2] ?? (typeof fields === 'number' ? fields - 4 - (objectness ? 1 : 0) - (angle ? 1 : 0) : undefined);
  const shapes = [dims, ...(scoreDims === undefined ? [] : [scoreDims])].map((each) => `[${each.join(', ')}]`).join(' and ');
  if (
    dims.length !== 3 ||
    typeof count !== 'number' ||
    typeof columns !== 'number' ||
    (isApart && (fields !== 4 || scoreDims?.length !== 3 || scoreDims[1] !== count))
  )
    throw refuse(
      `boxes and scores are ${shapes}`,
      'Export the detector for pictures of one size, before it drops any box, and say which form its outputs have',
    );
  if (columns - (options.background === undefined ? 0 : 1) < 1)
    throw refuse(`boxes and scores are ${shapes}`, 'There is no score left; look at the form again');
  return { boxes: boxes.name, scores: scores?.name, batch, count, columns };
}

interface Scored {
  /** Middle, width and height in pixels of the network's picture, [N, count, 4]. */
  readonly boxes: string;
  /** Probabilities, [N, classes, count]. */
  readonly scores: string;
  /** [N, count, 1]. */
  readonly angles: string | undefined;
  readonly count: number;
  readonly classes: number;
}

function readScored({ boxes, scores, count, columns }: Found, options: DetectionOptions, tools: GraphTools): Scored {
  const { at, add, split } = tools;
  const { form, objectness = false, angle = false, background } = options;
  const turned = (value: string): string => add('Transpose', [value], { perm: ints([0, 2, 1]) });
  let [raw, all, sure, angles] = [at(boxes), scores === undefined ? '' : turned(at(scores)), '', ''];
  if (form !== 'apart') {
    const axis = form === 'fields-first' ? 1 : 2;
    const parts = split(raw, axis, [4, ...(objectness ? [1] : []), columns, ...(angle ? [1] : [])]);
    raw = form === 'fields-first' ? turned(parts[0] ?? '') : (parts[0] ?? '');
    const classesFirst = (value: string | undefined): string => (form === 'fields-first' ? (value ?? '') : turned(value ?? ''));
    if (objectness) sure = classesFirst(parts[1]);
    all = classesFirst(parts[objectness ? 2 : 1]);
    if (angle) angles = form === 'fields-first' ? turned(parts.at(-1) ?? '') : (parts.at(-1) ?? '');
  }
  const probability = (value: string): string => (options.scores === 'logits' ? add('Sigmoid', [value]) : value);
  all = options.scores === 'softmax-logits' ? add('Softmax', [all], { axis: int(1) }) : probability(all);
  if (background !== undefined) all = split(all, 1, background === 'first' ? [1, columns - 1] : [columns - 1, 1])[background === 'first' ? 1 : 0] ?? '';
  if (objectness) all = add('Mul', [all, probability(sure)]);
  const classes = columns - (background === undefined ? 0 : 1);
  return { boxes: middles(raw, options, tools), scores: all, angles: angle ? angles : undefined, count, classes };
}

/** Boxes by middle and size in pixels. */
function middles(raw: string, { corners = 'cxcywh', unit = 'pixels', placement }: DetectionOptions, { add, split, number, table }: GraphTools): string {
  let boxes = raw;
  if (corners !== 'cxcywh') {
    const [a = '', b = '', c = '', d = ''] = split(raw, 2, [1, 1, 1, 1]);
    const [left, top, right, bottom] = corners === 'xyxy' ? [a, b, c, d] : [b, a, d, c];
    const middle = (from: string, to: string): string => add('Mul', [add('Add', [from, to]), number(0.5)]);
    boxes = add('Concat', [middle(left, right), middle(top, bottom), add('Sub', [right, left]), add('Sub', [bottom, top])], { axis: int(2) });
  }
  const { width, height } = placement;
  return unit === 'pixels' ? boxes : add('Mul', [boxes, table([1, 1, 4], [width, height, width, height])]);
}

/** Leaves the boxes with the best scores, where there are too many to compare each with each. */
function nominate(scored: Scored, { candidatesMax = 1000 }: DetectionOptions, { add, several, whole }: GraphTools): Scored {
  if (scored.count <= candidatesMax) return scored;
  const [highest = ''] = several('TopK', [scored.scores, whole([1])], 2, { axis: int(1) });
  const [, chosen = ''] = several('TopK', [highest, whole([candidatesMax])], 2, { axis: int(2) });
  const column = add('Transpose', [chosen], { perm: ints([0, 2, 1]) });
  const look = (values: string, fields: number): string => add('GatherElements', [values, add('Expand', [column, whole([1, 1, fields])])], { axis: int(1) });
  const scores = add('GatherElements', [scored.scores, add('Expand', [chosen, whole([1, scored.classes, 1])])], { axis: int(2) });
  return { ...scored, boxes: look(scored.boxes, 4), scores, angles: scored.angles === undefined ? undefined : look(scored.angles, 1), count: candidatesMax };
}

/** The scores of the boxes that stay, zero for all others: of a fixed shape, however many there are. */
function suppress({ boxes, scores }: Scored, rows: number, overlapMax: number, scoreMin: number, { add, whole, number }: GraphTools): string {
  const chosen = add('NonMaxSuppression', [boxes, scores, whole([rows]), number(overlapMax), number(scoreMin)], { center_point_box: int(1) });
  const nothing = add('ConstantOfShape', [add('Shape', [scores])], {
    value: { kind: 'tensor', value: { type: 'float32', dims: [1], data: Float32Array.of(0) } },
  });
  return add('ScatterND', [nothing, chosen, add('GatherND', [scores, chosen])]);
}
