import type { TreeEnsemble } from '@serin/inference/trees/ensemble';

import { extendModel } from '../deploy/extend.ts';
import { probabilitiesOutput, withProbabilities } from '../deploy/heads.ts';
import { recalibrate } from '../deploy/temperature.ts';
import { int, type Model } from '../onnx/graph.ts';
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

export interface Calibrated {
  readonly calibration: Calibration;
  /** How it was judged, and what it won. */
  readonly words: string;
}

/**
 * A calibration, if the validation rows say it helps rows it has not seen. A network of pictures needs no more than a
 * temperature, which leaves every answer as it is.
 */
export async function calibrate(answers: Answers, labels: Float64Array, form: 'classes' | 'temperature' = 'classes'): Promise<Calibrated | undefined> {
  if (answers.kind !== 'probabilities' || labels.length < rowsMin) return undefined;
  return form === 'temperature' ? calibrateByTemperature(answers, labels) : calibrateByClass(answers, labels);
}

function calibrateByTemperature(answers: Answers, labels: Float64Array): Calibrated | undefined {
  const found = recalibrate(logarithms(answers), labels, answers.width);
  if (found === undefined) return undefined;
  const { temperature, before, after } = found;
  const points = (share: number): string => `${(100 * share).toFixed(1)} points`;
  return {
    calibration: { ...identity(answers.width), scale: 1 / temperature },
    words: `temperature ${temperature.toPrecision(3)}, calibration error ${points(before)} before, ${points(after)} after, lower on each of three splits it was not learnt from`,
  };
}

/** Each half is judged by what was learnt from the other. What is kept is then learnt from both. */
async function calibrateByClass(answers: Answers, labels: Float64Array): Promise<Calibrated | undefined> {
  const { width } = answers;
  const rows = Array.from(labels, (_, row) => row);
  const logs = logarithms(answers);
  const halves = [rows.filter((row) => row % 2 === 0), rows.filter((row) => row % 2 === 1)] as const;
  const crossed = async ([fitted, judged]: readonly [readonly number[], readonly number[]]): Promise<number> =>
    lossOf(logs, labels, judged, width, await fit(logs, labels, fitted, width));
  const after = ((await crossed([halves[0], halves[1]])) * halves[1].length + (await crossed([halves[1], halves[0]])) * halves[0].length) / rows.length;
  const before = lossOf(logs, labels, rows, width, identity(width));
  if (!(after < before * (1 - 1e-3))) return undefined;
  const calibration = await fit(logs, labels, rows, width);
  if (!(calibration.scale > 0)) return undefined;
  return { calibration, words: `log loss ${before.toPrecision(4)} before, ${after.toPrecision(4)} after, judged on halves it was not learnt from` };
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
  const holds = { output: probabilitiesOutput, holds: 'probabilities' } as const;
  if (bias.every((value) => value === 0)) return withProbabilities(model, { ...holds, temperature: 1 / scale });
  return extendModel(model, { stem: 'calibrated', makes: [probabilitiesOutput] }, ({ at, add, number, table, output }) => {
    const clipped = add('Clip', [at(probabilitiesOutput), number(least), number(1)]);
    const scaled = add('Mul', [add('Log', [clipped]), number(scale)]);
    const moved = add('Add', [scaled, table([1, bias.length], bias)]);
    output(probabilitiesOutput, 'float32', ['N', bias.length], add('Softmax', [moved], { axis: int(-1) }));
  });
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
