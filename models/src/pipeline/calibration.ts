import type { TreeEnsemble } from '@serin/inference/trees/ensemble';

import { createGraphBuilder } from '../onnx/builder.ts';
import { createModel, floats, int, scalar, type Model } from '../onnx/graph.ts';
import { minimise } from '../linear/minimise.ts';
import type { Answers } from './answers.ts';

/**
 * What margins are multiplied by, and what is added for each class, so that probabilities mean what they say: temperature scaling
 * (Guo et al. 2017) with a bias a class, which mends what weighting of classes did. Applied to logarithms of probabilities.
 */
export interface Calibration {
  readonly scale: number;
  readonly bias: readonly number[];
}

const least = 1e-7;
const roundsMax = 100;
/** Weak pull towards leaving all as it is. */
const pull = 1e-4;

function logarithms({ values }: Answers): Float64Array {
  return Float64Array.from(values, (value) => Math.log(Math.min(1, Math.max(least, Number.isNaN(value) ? least : value))));
}

function probabilitiesOf(logs: Float64Array, row: number, width: number, { scale, bias }: Calibration, into: Float64Array): void {
  let top = -Infinity;
  for (let place = 0; place < width; place += 1) {
    into[place] = scale * (logs[row * width + place] as number) + (bias[place] as number);
    top = Math.max(top, into[place] as number);
  }
  let sum = 0;
  for (let place = 0; place < width; place += 1) sum += into[place] = Math.exp((into[place] as number) - top);
  for (let place = 0; place < width; place += 1) into[place] = (into[place] as number) / sum;
}

function lossOf(logs: Float64Array, labels: ArrayLike<number>, rows: ArrayLike<number>, width: number, calibration: Calibration): number {
  const said = new Float64Array(width);
  let sum = 0;
  for (let index = 0; index < rows.length; index += 1) {
    const row = rows[index] as number;
    probabilitiesOf(logs, row, width, calibration, said);
    sum -= Math.log(Math.max(1e-15, said[labels[row] as number] ?? 0));
  }
  return sum / Math.max(1, rows.length);
}

const identity = (width: number): Calibration => ({ scale: 1, bias: Array.from({ length: width }, () => 0) });

async function fit(logs: Float64Array, labels: ArrayLike<number>, rows: ArrayLike<number>, width: number): Promise<Calibration> {
  const said = new Float64Array(width);
  const calibrationAt = (point: Float64Array): Calibration => ({ scale: point[0] as number, bias: Array.from(point.subarray(1)) });
  const objective = (point: Float64Array, gradient: Float64Array): number => {
    const at = calibrationAt(point);
    gradient.forEach((_, place) => (gradient[place] = 2 * pull * ((point[place] as number) - (place === 0 ? 1 : 0))));
    for (let index = 0; index < rows.length; index += 1) {
      const row = rows[index] as number;
      probabilitiesOf(logs, row, width, at, said);
      for (let place = 0; place < width; place += 1) {
        const off = ((said[place] as number) - (labels[row] === place ? 1 : 0)) / rows.length;
        gradient[1 + place] = (gradient[1 + place] as number) + off;
        gradient[0] = (gradient[0] as number) + off * (logs[row * width + place] as number);
      }
    }
    return lossOf(logs, labels, rows, width, at) + pull * ((at.scale - 1) ** 2 + at.bias.reduce((sum, bias) => sum + bias * bias, 0));
  };
  const point = new Float64Array(1 + width);
  point[0] = 1;
  await minimise(objective, point, { roundsMax, gradientShare: 1e-5 });
  return calibrationAt(point);
}

const rowsMin = 50;

/**
 * A calibration, if the validation rows say it helps: each half is judged by what was learnt from the other, so that it has to
 * help rows it has not seen. What is kept is then learnt from both.
 */
export async function calibrate(
  answers: Answers,
  labels: Float64Array,
): Promise<{ readonly calibration: Calibration; readonly before: number; readonly after: number } | undefined> {
  const { width } = answers;
  const rows = Array.from(labels, (_, row) => row);
  if (answers.kind !== 'probabilities' || rows.length < rowsMin) return undefined;
  const logs = logarithms(answers);
  const halves = [rows.filter((row) => row % 2 === 0), rows.filter((row) => row % 2 === 1)] as const;
  const crossed = async ([fitted, judged]: readonly [readonly number[], readonly number[]]): Promise<number> =>
    lossOf(logs, labels, judged, width, await fit(logs, labels, fitted, width));
  const after = ((await crossed([halves[0], halves[1]])) * halves[1].length + (await crossed([halves[1], halves[0]])) * halves[0].length) / rows.length;
  const before = lossOf(logs, labels, rows, width, identity(width));
  if (!(after < before * (1 - 1e-3))) return undefined;
  const calibration = await fit(logs, labels, rows, width);
  return calibration.scale > 0 ? { calibration, before, after } : undefined;
}

export function applyCalibration(answers: Answers, calibration: Calibration): Answers {
  const { values, width } = answers;
  const logs = logarithms(answers);
  const said = new Float64Array(width);
  const calibrated = new Float32Array(values.length);
  for (let row = 0; row < values.length / width; row += 1) {
    probabilitiesOf(logs, row, width, calibration, said);
    calibrated.set(said, row * width);
  }
  return { ...answers, values: calibrated };
}

/** The same as part of the graph, so that every device answers calibrated. */
export function calibratedModel(model: Model, { scale, bias }: Calibration): Model {
  const { graph } = model;
  const inner = 'probabilities_uncalibrated';
  const rename = (name: string): string => (name === 'probabilities' ? inner : name);
  const builder = createGraphBuilder(graph.name);
  for (const { name, type, dims } of graph.inputs) builder.input(name, type, dims);
  for (const [name, tensor] of graph.initialisers) builder.constant(tensor, name);
  for (const node of graph.nodes) builder.append({ ...node, name: rename(node.name), inputs: node.inputs.map(rename), outputs: node.outputs.map(rename) });
  const clipped = builder.add('Clip', [inner, builder.constant(scalar(least)), builder.constant(scalar(1))]);
  const scaled = builder.add('Mul', [builder.add('Log', [clipped]), builder.constant(scalar(scale))]);
  const moved = builder.add('Add', [scaled, builder.constant(floats([1, bias.length], bias))]);
  builder.add('Softmax', [moved], { axis: int(-1) }, ['probabilities']);
  for (const { name, type, dims } of graph.outputs) builder.output(name, type, dims);
  return { ...createModel(builder.finish(), { ...model.metadata }), opsets: model.opsets, irVersion: model.irVersion };
}

/** The same for the trees that explain the answers, so that their parts add up to the margin of what is answered. */
export function calibratedTrees(trees: TreeEnsemble, { scale, bias }: Calibration): TreeEnsemble {
  const shift = trees.link === 'logistic' ? [(bias[1] ?? 0) - (bias[0] ?? 0)] : bias;
  return {
    ...trees,
    base: trees.base.map((margin, place) => margin * scale + (shift[place] ?? 0)),
    value: trees.value.map((value, node) => ((trees.feature[node] ?? 0) < 0 ? value * scale : value)),
  };
}
