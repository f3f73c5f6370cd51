import { detectionFields, readDetections, type Detection } from '@serin/inference/detections';
import type { Manifest } from '@serin/protocol/bundle/manifest';

import { detectionsOutput } from '../deploy/detections.ts';
import { probabilitiesOutput } from '../deploy/heads.ts';
import { judgeClasses } from '../evaluate/judged-classes.ts';
import type { Judged } from '../evaluate/judged.ts';
import type { Counted } from '../evaluate/ranking.ts';
import type { ImportSpec } from '@serin/protocol/import-spec';
import type { Told } from './ask.ts';
import type { Wrapped } from './wrap.ts';

/** What the answers of a model are judged by. */
export interface Truth {
  readonly task: Manifest['task'];
  readonly names: readonly string[];
  /** Index of the true class of each frame, where somebody knows. */
  readonly labels: Int32Array | undefined;
  /** Answers of the float model, which stand for the truth where nobody knows. */
  readonly float: ReadonlyMap<string, Told>;
  readonly frame: { readonly width: number; readonly height: number };
}

/** Of this import, where float answered so. */
export const truthOf = (
  { task, frame }: Pick<Wrapped, 'task' | 'frame'>,
  { labels: names }: ImportSpec,
  float: ReadonlyMap<string, Told>,
  labels: Int32Array | undefined,
): Truth => ({
  task,
  names,
  labels,
  float,
  frame: frame ?? { width: 1, height: 1 },
});

/** Less sure ones come and go with the rounding. */
const sureMin = 0.3;
/** Of the frame's diagonal: two detections this near and of one class are the same. */
const nearShare = 0.02;

/** Answers to all frames, judged: by their labels, or by how well they agree with the float model's. */
export function judgeAnswers(told: ReadonlyMap<string, Told>, truth: Truth): Judged {
  if (truth.task === 'image-classification') return judgeTold(find(told, probabilitiesOutput), truth);
  if (truth.task === 'detection') return judgeBoxes(find(told, detectionsOutput), find(truth.float, detectionsOutput), truth);
  return judgeNumbers(told, truth.float);
}

function find(told: ReadonlyMap<string, Told>, name: string): Told {
  const found = told.get(name);
  if (found === undefined) throw new RangeError(`there is no output ${name}`);
  return found;
}

function judgeTold({ values, width }: Told, { labels, float, names }: Truth): Judged {
  return judgeClasses({ probabilities: values, labels: labels ?? bestOf(find(float, probabilitiesOutput)), names: names.slice(0, width) });
}

/** The most probable class of each row. */
export function bestOf({ values, width }: Told): Int32Array {
  return Int32Array.from({ length: values.length / width }, (_, row) => {
    let best = 0;
    for (let place = 1; place < width; place += 1) if ((values[row * width + place] ?? 0) > (values[row * width + best] ?? 0)) best = place;
    return best;
  });
}

function judgeBoxes(told: Told, float: Told, { frame }: Truth): Judged {
  const near = nearShare * Math.hypot(frame.width, frame.height);
  const count = told.values.length / told.width;
  const [both, all, right] = [new Float64Array(count), new Float64Array(count), new Uint8Array(count)];
  for (let place = 0; place < count; place += 1) {
    const [mine, theirs] = [sure(told, place), sure(float, place)];
    const shared = pairs(mine, theirs, near);
    both[place] = 2 * shared;
    all[place] = mine.length + theirs.length;
    right[place] = shared === mine.length && shared === theirs.length ? 1 : 0;
  }
  const f1 = (chosen?: Uint32Array): Counted => shareOf(pick(both, chosen), pick(all, chosen), 1);
  return judgedBy('f1', count, f1, right);
}

const sure = ({ values, width }: Told, place: number): Detection[] => [...readDetections(values, width / detectionFields, place * width, sureMin)];

/** The best first, each with the nearest of its class that is still free. */
function pairs(mine: readonly Detection[], theirs: readonly Detection[], near: number): number {
  const free = new Set(theirs);
  let shared = 0;
  for (const { label, x, y } of mine.toSorted((one, other) => other.score - one.score)) {
    let found: Detection | undefined;
    let least = near;
    for (const other of free) {
      const distance = Math.hypot(other.x - x, other.y - y);
      if (other.label === label && distance <= least) [found, least] = [other, distance];
    }
    if (found === undefined) continue;
    free.delete(found);
    shared += 1;
  }
  return shared;
}

/** The share of what float said that is said again: 1 less the power of the difference. */
function judgeNumbers(told: ReadonlyMap<string, Told>, float: ReadonlyMap<string, Told>): Judged {
  const [first] = float.values();
  const count = first === undefined ? 0 : first.values.length / first.width;
  const [noise, power] = [new Float64Array(count), new Float64Array(count)];
  for (const [name, { values, width }] of float) {
    const other = find(told, name).values;
    for (let at = 0; at < values.length; at += 1) {
      const place = Math.floor(at / width);
      const value = values[at] as number;
      noise[place] = (noise[place] as number) + ((other[at] ?? Number.NaN) - value) ** 2;
      power[place] = (power[place] as number) + value ** 2;
    }
  }
  const kept = (chosen?: Uint32Array): Counted => {
    const [lost, all] = [pick(noise, chosen), pick(power, chosen)];
    return (counts) => 1 - shareOf(lost, all, 0)(counts);
  };
  return judgedBy('r2', count, kept, null);
}

const pick = (values: Float64Array, chosen: Uint32Array | undefined): Float64Array =>
  chosen === undefined ? values : Float64Array.from(chosen, (row) => values[row] as number);

const shareOf =
  (parts: Float64Array, wholes: Float64Array, ofNothing: number): Counted =>
  (counts) => {
    let [part, whole] = [0, 0];
    for (let row = 0; row < parts.length; row += 1) {
      part += (parts[row] as number) * (counts[row] as number);
      whole += (wholes[row] as number) * (counts[row] as number);
    }
    return whole === 0 && part === 0 ? ofNothing : part / whole;
  };

function judgedBy(main: 'f1' | 'r2', rows: number, metric: (chosen?: Uint32Array) => Counted, right: Uint8Array | null): Judged {
  return { rows, main, metrics: { [main]: metric() }, within: (chosen) => ({ [main]: metric(chosen) }), classes: [], right, confusion: null };
}
