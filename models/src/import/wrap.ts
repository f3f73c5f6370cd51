import type { ImportAnswer, ImportInput, ImportSpec } from '@serin/protocol/import-spec';
import type { Manifest } from '@serin/protocol/bundle/manifest';
import { SerinError } from '@serin/protocol/errors';

import { detectionsOutput, withDetections } from '../deploy/detections.ts';
import { dimsOf, findOutput, probabilitiesOutput, readied, withProbabilities } from '../deploy/heads.ts';
import { imageInput, withImageInput, type Placement } from '../deploy/input.ts';
import { checkModel } from '../onnx/check.ts';
import type { Model, ValueInfo } from '../onnx/graph.ts';

/** What is known of a model that was made elsewhere, once it takes raw frames and answers as devices understand. */
export interface Wrapped {
  readonly model: Model;
  readonly task: Manifest['task'];
  /** Name of the input that takes frames; undefined for a model that takes none. */
  readonly input: string | undefined;
  readonly frame: { readonly width: number; readonly height: number; readonly channels: 1 | 3 } | undefined;
  /** What was done, in words. */
  readonly notes: readonly string[];
}

type Frame = NonNullable<Wrapped['frame']>;

const isChannels = (dim: unknown): dim is 1 | 3 => dim === 1 || dim === 3;
const spell = ({ name, type, dims }: ValueInfo): string => `${name} ${type} [${dims.join(', ')}]`;

/** The frames of a model that takes them as bytes already. */
function rawFrames({ graph }: Model): { name: string; frame: Frame } | undefined {
  const [input, ...others] = graph.inputs.filter(({ name }) => !graph.initialisers.has(name));
  const [, height, width, channels] = input?.dims ?? [];
  if (input?.type !== 'uint8' || others.length > 0 || input.dims.length !== 4) return undefined;
  if (typeof height !== 'number' || typeof width !== 'number' || !isChannels(channels)) return undefined;
  return { name: input.name, frame: { width, height, channels } };
}

/** Sizes a network fixes itself; either layout. */
function ownFrame({ graph }: Model): Partial<Frame> | undefined {
  const pictures = graph.inputs.filter(({ name, type, dims }) => !graph.initialisers.has(name) && type === 'float32' && dims.length === 4);
  const [picture] = pictures;
  if (picture === undefined || pictures.length > 1) return undefined;
  const [, a, b, c] = picture.dims;
  const isLast = !isChannels(a) && isChannels(c);
  const [channels, height, width] = isLast ? [c, a, b] : [a, b, c];
  if (!isChannels(channels)) return undefined;
  return { channels, ...(typeof height === 'number' ? { height } : {}), ...(typeof width === 'number' ? { width } : {}) };
}

function frameOf(model: Model, { width, height, channels }: ImportInput): Frame {
  const own = ownFrame(model);
  const inputs = model.graph.inputs.map(spell).join('; ');
  const frame = { width: width ?? own?.width, height: height ?? own?.height, channels: channels ?? own?.channels };
  if (own === undefined)
    throw new SerinError('MODEL_UNSUPPORTED', {
      detail: `its inputs are ${inputs}`,
      hint: 'Frames go into one float32 input of four dimensions; leave `input` out for other models',
    });
  if (frame.width === undefined || frame.height === undefined || frame.channels === undefined)
    throw new SerinError('MODEL_UNSUPPORTED', {
      detail: `its input is ${inputs}, of no fixed size`,
      hint: 'Say input.width and input.height in the spec, or --frame WIDTHxHEIGHT',
    });
  return { width: frame.width, height: frame.height, channels: frame.channels };
}

/** Makes of a model and what a person says of it one that devices can serve. */
export function wrapModel(original: Model, spec: ImportSpec): Wrapped {
  const checked = readied(checkModel(original));
  const raw = rawFrames(checked);
  if (spec.input !== undefined && raw !== undefined)
    throw new SerinError('MODEL_UNSUPPORTED', { detail: `its input ${raw.name} takes frames as bytes already`, hint: 'Leave `input` out of the spec' });
  if (spec.input === undefined && raw === undefined) return wrapTensors(checked, spec);
  const notes: string[] = [];
  let model = checked;
  let placement: Placement | undefined;
  let frame = raw?.frame;
  if (spec.input !== undefined) {
    const { fit, colour, scale, mean, deviation } = spec.input;
    frame = frameOf(checked, spec.input);
    const one = (values: readonly number[]): number | readonly number[] => (values.length === 1 ? (values[0] as number) : values);
    const wrapped = withImageInput(checked, { frame, fit, colours: colour, scale, mean: one(mean), deviation: one(deviation) });
    ({ model, placement } = wrapped);
    notes.push(
      `frames of ${frame.width}x${frame.height}x${frame.channels} bytes go in${wrapped.folded ? '; their normalisation is part of the first layer' : ''}`,
    );
  }
  const answered = wrapAnswer(model, spec, placement ?? (frame === undefined ? undefined : unmoved(frame)));
  notes.push(...answered.notes);
  const input = raw?.name ?? model.graph.inputs.find(({ type, dims }) => type === 'uint8' && dims.length === 4)?.name ?? imageInput;
  return { model: answered.model, task: answered.task, input, frame, notes };
}

const unmoved = ({ width, height }: Frame): Placement => ({ width, height, scaleX: 1, scaleY: 1, left: 0, top: 0 });

function wrapTensors(model: Model, { answer }: ImportSpec): Wrapped {
  const own = ownFrame(model);
  if (own !== undefined && answer?.kind !== 'tensors')
    throw new SerinError('MODEL_UNSUPPORTED', {
      detail: `its input is ${model.graph.inputs.map(spell).join('; ')}, and nothing says how the pixels of a frame become its numbers`,
      hint: 'Say so in the spec: {"input": {"scale": 0.00392, "mean": [0.485, 0.456, 0.406], "deviation": [0.229, 0.224, 0.225]}}; or {"answer": {"kind": "tensors"}} to serve it as it is',
    });
  return { model, task: 'tensor', input: undefined, frame: undefined, notes: ['it is served as it is: tensors in, tensors out'] };
}

interface Answered {
  readonly model: Model;
  readonly task: Manifest['task'];
  readonly notes: readonly string[];
}

function wrapAnswer(model: Model, { answer, labels }: ImportSpec, placement: Placement | undefined): Answered {
  const kind = answer?.kind ?? guessAnswer(model, labels);
  if (kind === 'tensors') return { model, task: 'tensor', notes: ['its outputs stay as they are'] };
  if (labels.length === 0)
    throw new SerinError('MODEL_UNSUPPORTED', { detail: 'its classes have no names', hint: 'Name them in order: --labels a,b,c or --labels labels.txt' });
  if (model.graph.outputs.some(({ name, dims }) => name === detectionsOutput && dims.length === 3) && answer === undefined)
    return { model, task: 'detection', notes: [] };
  const found = kind === 'boxes' ? boxes(model, answer, placement) : classes(model, answer, labels);
  return { ...found, notes: [...found.notes] };
}

/** What its only output looks like, where nobody says. */
function guessAnswer(model: Model, labels: readonly string[]): ImportAnswer['kind'] {
  if (model.graph.outputs.some(({ name }) => name === detectionsOutput)) return 'boxes';
  const [output, ...others] = model.graph.outputs;
  const width = output === undefined ? undefined : dimsOf(model, output)[1];
  return others.length === 0 && output?.type === 'float32' && labels.length > 0 && width === labels.length ? 'classes' : 'tensors';
}

function classes(model: Model, answer: ImportAnswer | undefined, labels: readonly string[]): Answered {
  const { output, logits } = answer?.kind === 'classes' ? answer : {};
  const source = findOutput(model, output, 'a score for each class');
  const wide = dimsOf(model, source)[1];
  if (typeof wide === 'number' && Math.max(2, wide) !== labels.length)
    throw new SerinError('MODEL_UNSUPPORTED', {
      detail: `${spell(source)} scores ${wide} classes, and there are ${labels.length} labels`,
      hint: 'Name all classes, in their order',
    });
  const holds = logits === undefined ? undefined : logits ? 'logits' : 'probabilities';
  const wrapped = withProbabilities(model, { output: source.name, ...(holds === undefined ? {} : { holds }) });
  return { model: wrapped, task: 'image-classification', notes: [`it answers with ${probabilitiesOutput} of ${labels.length} classes`] };
}

function boxes(model: Model, answer: ImportAnswer | undefined, placement: Placement | undefined): Answered {
  if (answer?.kind !== 'boxes' || placement === undefined)
    throw new SerinError('MODEL_UNSUPPORTED', {
      detail: 'how its boxes are written is not known',
      hint: 'Say so in the spec: {"answer": {"kind": "boxes", "form": "fields-first"}}',
    });
  const { kind: _, output, scores, logits, ...how } = answer;
  const wrapped = withDetections(model, {
    ...how,
    placement,
    ...(output === undefined ? {} : { output }),
    ...(scores === undefined ? {} : { scoresOutput: scores }),
    scores: logits ? 'logits' : 'probabilities',
  });
  return { model: wrapped, task: 'detection', notes: [`at most ${how.rows} detections a frame; what overlaps is dropped in the graph`] };
}
