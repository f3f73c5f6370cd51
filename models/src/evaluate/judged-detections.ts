import { partKinds } from '@serin/inference/bin-scene/parameters';
import { detectionScoreMin, judgeBin, matchDetections, type Detection, type Part } from '@serin/inference/detections';

import type { Judged, Metrics } from './judged.ts';
import type { Confusion } from './measured.ts';
import { overlap } from './overlap.ts';
import { macro, meanOf, type Counted } from './ranking.ts';

/** What was said about one frame, and what is true. */
export interface DetectedFrame {
  readonly detections: readonly Detection[];
  readonly parts: readonly Part[];
}

/** Least overlaps of a hit: 0.5, 0.55, ... 0.95. */
const overlapsMin = Array.from({ length: 10 }, (_, step) => 0.5 + 0.05 * step);

interface Scored {
  readonly label: number;
  readonly score: number;
  /** Bit i is set where it is a hit at the i-th least overlap. */
  readonly hits: number;
}

interface Found {
  readonly label: number;
  readonly distance: number;
  /** Degrees; undefined for a kind that has no angle. */
  readonly angle: number | undefined;
}

/** A frame after everything that is costly: whom each detection meets does not change when frames are drawn again. */
interface MatchedFrame {
  readonly detections: readonly Scored[];
  /** Parts by label. */
  readonly parts: Uint16Array;
  /** Parts that a picker would find, with how far off. */
  readonly found: readonly Found[];
  readonly right: 0 | 1;
}

/** Pairs every detection, best first, with the part it overlaps most among those still free, at each least overlap. */
function scoreFrame({ detections, parts }: DetectedFrame): Scored[] {
  const ordered = detections.toSorted((a, b) => b.score - a.score);
  const shared = ordered.map((detection) => Float64Array.from(parts, (part) => overlap(detection, part)));
  const hits = new Uint16Array(ordered.length);
  overlapsMin.forEach((least, step) => {
    const taken = new Uint8Array(parts.length);
    shared.forEach((row, place) => {
      let best = -1;
      let most = least;
      row.forEach((value, part) => {
        if (taken[part] === 1 || value < most) return;
        best = part;
        most = value;
      });
      if (best === -1) return;
      taken[best] = 1;
      hits[place] = (hits[place] as number) | (1 << step);
    });
  });
  return ordered.map(({ label, score }, place) => ({ label, score, hits: hits[place] as number }));
}

function matchFrame(frame: DetectedFrame): MatchedFrame {
  const parts = new Uint16Array(partKinds.length);
  for (const { label } of frame.parts) parts[label] = (parts[label] as number) + 1;
  const sure = frame.detections.filter(({ score }) => score >= detectionScoreMin);
  const found = matchDetections(sure, frame.parts).map(({ part, distance, angleError }): Found => {
    const label = frame.parts[part]?.label ?? -1;
    return { label, distance, angle: partKinds[label]?.symmetry === Infinity ? undefined : (angleError * 180) / Math.PI };
  });
  return { detections: scoreFrame(frame), parts, found, right: judgeBin(sure, frame.parts) ? 1 : 0 };
}

/** Things in the order of their values with the frame each is in. */
interface Listed {
  readonly values: Float64Array;
  readonly frames: Uint32Array;
}

function listed<Thing>(frames: readonly (readonly Thing[])[], valueOf: (thing: Thing) => number | undefined): Listed {
  const all = frames
    .flatMap((things, frame) => things.map((thing) => ({ value: valueOf(thing), frame })))
    .filter((one): one is { value: number; frame: number } => one.value !== undefined)
    .toSorted((a, b) => a.value - b.value);
  return { values: Float64Array.from(all, ({ value }) => value), frames: Uint32Array.from(all, ({ frame }) => frame) };
}

const weigh = (amounts: ArrayLike<number>, counts: ArrayLike<number>): number => {
  let sum = 0;
  for (let frame = 0; frame < amounts.length; frame += 1) sum += (amounts[frame] as number) * (counts[frame] as number);
  return sum;
};

/** The value below which this share of the listed ones lies. */
function quantileOver({ values, frames }: Listed, share: number): Counted {
  return (counts) => {
    let all = 0;
    for (const frame of frames) all += counts[frame] as number;
    let left = Math.min(all - 1, Math.floor(share * all));
    for (let place = 0; place < values.length; place += 1) {
      left -= counts[frames[place] as number] as number;
      if (left < 0) return values[place] as number;
    }
    return Number.NaN;
  };
}

/** Of some amount by frame, as a share of another. */
const shareOver =
  (amounts: ArrayLike<number>, wholes: ArrayLike<number>): Counted =>
  (counts) =>
    weigh(amounts, counts) / weigh(wholes, counts);

export interface Hit {
  readonly frame: number;
  readonly score: number;
  /** Bit i is set where it is a hit at the i-th least overlap. */
  readonly hits: number;
}

/** Area under the interpolated curve of precision over recall, a mean over the first so many least overlaps; `truths` by frame. */
export function precisionOver(hits: readonly Hit[], truths: ArrayLike<number>, steps = 1): Counted {
  const ordered = hits.toSorted((a, b) => b.score - a.score);
  const frames = Uint32Array.from(ordered, ({ frame }) => frame);
  const bits = Uint16Array.from(ordered, (one) => one.hits & ((1 << steps) - 1));
  // Equal scores cannot be told apart by any threshold; and where nothing is hit the curve only falls.
  const ends: number[] = [];
  let isHit = false;
  ordered.forEach(({ score }, place) => {
    isHit ||= bits[place] !== 0;
    if (!isHit || ordered[place + 1]?.score === score) return;
    ends.push(place + 1);
    isHit = false;
  });
  const found = new Float64Array((ends.length + 1) * steps);
  const told = new Float64Array(ends.length);
  return (counts) => {
    let place = 0;
    let all = 0;
    for (let point = 0; point < ends.length; point += 1) {
      const here = (point + 1) * steps;
      for (let step = 0; step < steps; step += 1) found[here + step] = found[here + step - steps] as number;
      for (const end = ends[point] as number; place < end; place += 1) {
        const count = counts[frames[place] as number] as number;
        if (count === 0) continue;
        all += count;
        for (let left = bits[place] as number, at = here; left !== 0; left >>= 1, at += 1) if ((left & 1) === 1) found[at] = (found[at] as number) + count;
      }
      told[point] = all;
    }
    let area = 0;
    for (let step = 0; step < steps; step += 1) {
      let best = 0;
      for (let point = ends.length - 1; point >= 0; point -= 1) {
        const [now, before] = [found[(point + 1) * steps + step] as number, found[point * steps + step] as number];
        if (now === before) continue;
        best = Math.max(best, now / (told[point] as number));
        area += best * (now - before);
      }
    }
    return area / steps / weigh(truths, counts);
  };
}

const calibrationBins = 15;

/** How far the scores of what a picker takes for parts are from the share that are parts, over bins of equal width. */
function scoreError(frames: readonly MatchedFrame[]): Counted {
  const gaps = frames.map(({ detections }) =>
    detections
      .filter(({ score }) => score >= detectionScoreMin)
      .map(({ score, hits }) => ({ bin: Math.min(calibrationBins - 1, Math.floor(score * calibrationBins)), gap: score - (hits & 1) })),
  );
  const flat = gaps.flatMap((list, frame) => list.map((one) => ({ ...one, frame })));
  return (counts) => {
    const sums = new Float64Array(calibrationBins);
    let all = 0;
    for (const { bin, gap, frame } of flat) {
      const count = counts[frame] as number;
      sums[bin] = (sums[bin] as number) + count * gap;
      all += count;
    }
    return sums.reduce((sum, gap) => sum + Math.abs(gap), 0) / all;
  };
}

/** Figures of parts, all or those of one kind. */
function partMetrics(frames: readonly MatchedFrame[], labels: readonly number[]): Metrics {
  const isOf = ({ label }: { readonly label: number }): boolean => labels.includes(label);
  const precisionsOver = (steps: number): Counted =>
    macro(
      labels.map((label) =>
        precisionOver(
          frames.flatMap(({ detections }, frame) => detections.filter((one) => one.label === label).map(({ score, hits }) => ({ frame, score, hits }))),
          Uint16Array.from(frames, ({ parts }) => parts[label] ?? 0),
          steps,
        ),
      ),
    );
  const found = frames.map((frame) => frame.found.filter(isOf));
  const centres = listed(found, ({ distance }) => distance);
  const angles = listed(found, ({ angle }) => angle);
  const foundByFrame = Uint16Array.from(found, ({ length }) => length);
  const sure = Uint16Array.from(frames, ({ detections }) => detections.filter((one) => isOf(one) && one.score >= detectionScoreMin).length);
  const there = Uint16Array.from(frames, ({ parts }) => labels.reduce((sum, label) => sum + (parts[label] ?? 0), 0));
  return {
    map50: precisionsOver(1),
    map50to95: precisionsOver(overlapsMin.length),
    recall: shareOver(foundByFrame, there),
    precision: shareOver(foundByFrame, sure),
    centreErrorPx: quantileOver(centres, 0.5),
    centreErrorPxP90: quantileOver(centres, 0.9),
    angleErrorDeg: quantileOver(angles, 0.5),
    angleErrorDegP90: quantileOver(angles, 0.9),
  };
}

const everyKind = partKinds.map((_, label) => label);

const frameMetrics = (frames: readonly MatchedFrame[]): Metrics => ({
  ...partMetrics(frames, everyKind),
  framesRight: meanOf(Uint8Array.from(frames, ({ right }) => right)),
  ece: scoreError(frames),
});

export interface DetectionJudgement {
  readonly frames: readonly DetectedFrame[];
  /** Frames that belong together, such as those of one scene. */
  readonly groups?: ArrayLike<number> | undefined;
}

/** Judges detections; they should reach down to small scores, or average precision is cut short. Rows are frames. */
export function judgeDetections({ frames, groups }: DetectionJudgement): Judged {
  const matched = frames.map(matchFrame);
  return {
    rows: frames.length,
    groups,
    main: 'map50',
    metrics: frameMetrics(matched),
    within: (rows) => frameMetrics(Array.from(rows, (row) => matched[row] as MatchedFrame)),
    classes: partKinds.map((kind, label) => ({
      label: kind.label,
      count: matched.reduce((sum, { parts }) => sum + (parts[label] ?? 0), 0),
      metrics: partMetrics(matched, [label]),
    })),
    right: Uint8Array.from(matched, ({ right }) => right),
    confusion: confusionOf(frames),
  };
}

/** A part taken for another kind is one mistake, not a missed part and a false one: who is left over is matched by place alone. */
function confusionOf(frames: readonly DetectedFrame[]): Confusion {
  const kinds = partKinds.map(({ label }) => label);
  const background = kinds.length;
  const counts = Array.from({ length: kinds.length + 1 }, () => Array.from({ length: kinds.length + 1 }, () => 0));
  const count = (truth: number, said: number): void => {
    const line = counts[truth];
    if (line !== undefined) line[said] = (line[said] ?? 0) + 1;
  };
  const unlike = <Thing extends { readonly label: number }>(things: readonly Thing[]): Thing[] => things.map((thing) => ({ ...thing, label: 0 }));
  for (const { detections, parts } of frames) {
    const sure = detections.filter(({ score }) => score >= detectionScoreMin);
    const alike = matchDetections(sure, parts);
    for (const { part } of alike) count(parts[part]?.label ?? background, parts[part]?.label ?? background);
    const [usedDetections, usedParts] = [new Set(alike.map(({ detection }) => detection)), new Set(alike.map(({ part }) => part))];
    const leftDetections = sure.filter((_, index) => !usedDetections.has(index));
    const leftParts = parts.filter((_, index) => !usedParts.has(index));
    const others = matchDetections(unlike(leftDetections), unlike(leftParts));
    for (const { detection, part } of others) count(leftParts[part]?.label ?? background, leftDetections[detection]?.label ?? background);
    const [takenDetections, takenParts] = [new Set(others.map(({ detection }) => detection)), new Set(others.map(({ part }) => part))];
    leftDetections.forEach(({ label }, index) => takenDetections.has(index) || count(background, label));
    leftParts.forEach(({ label }, index) => takenParts.has(index) || count(label, background));
  }
  return { truths: [...kinds, 'background'], answers: [...kinds, 'missed'], counts };
}
