import type { Judged, Metrics } from './judged.ts';
import type { Confusion } from './measured.ts';
import { precisionOver, weigh } from './precision-curve.ts';
import { calibrationBins, macro, meanOf, type Counted } from './ranking.ts';

interface Labelled {
  /** Index into the labels. */
  readonly label: number;
}

/** What was said about one frame, and what is true. */
export interface SeenFrame<Seen, Truth> {
  readonly detections: readonly Seen[];
  readonly truths: readonly Truth[];
}

/** A detection and the truth it means, by their places in the lists. */
export interface Pair {
  readonly detection: number;
  readonly truth: number;
  /** Between their centres, in pixels. */
  readonly distance: number;
  /** Degrees; undefined where there is no angle. */
  readonly angle: number | undefined;
}

interface FrameFacts {
  /** What whoever acts on detections takes for one; those below count for average precision only. */
  readonly scoreMin: number;
  readonly hasAngles: boolean;
}

/** What is peculiar to one kind of detector. */
export interface DetectionScheme<Seen extends Labelled & { readonly score: number }, Truth extends Labelled> extends FrameFacts {
  readonly labels: readonly string[];
  /** Intersection over union; 0 for other labels. */
  overlap(seen: Seen, truth: Truth): number;
  /** Who means whom, the best first, each at most once; with `anyLabel` by place alone. */
  pair(seen: readonly Seen[], truths: readonly Truth[], anyLabel: boolean): readonly Pair[];
  /** Whether the answer, of detections sure enough, serves. */
  isRight(seen: readonly Seen[], truths: readonly Truth[]): boolean;
}

/** Least overlaps of a hit: 0.5, 0.55, ... 0.95. */
const overlapsMin = Array.from({ length: 10 }, (_, step) => 0.5 + 0.05 * step);

interface Scored extends Labelled {
  readonly score: number;
  /** Bit i is set where it is a hit at the i-th least overlap. */
  readonly hits: number;
}

interface Found extends Labelled {
  readonly distance: number;
  readonly angle: number | undefined;
}

/** A frame after everything that is costly: whom each detection meets does not change when frames are drawn again. */
interface MatchedFrame {
  readonly detections: readonly Scored[];
  /** Truths by label. */
  readonly truths: Uint16Array;
  /** Truths that are found, with how far off. */
  readonly found: readonly Found[];
  readonly right: 0 | 1;
}

/** Pairs every detection, best first, with the truth it overlaps most among those still free, at each least overlap. */
function scoreFrame<Seen extends Labelled & { readonly score: number }, Truth extends Labelled>(
  { detections, truths }: SeenFrame<Seen, Truth>,
  { overlap }: DetectionScheme<Seen, Truth>,
): Scored[] {
  const ordered = detections.toSorted((a, b) => b.score - a.score);
  const shared = ordered.map((detection) => Float64Array.from(truths, (truth) => (truth.label === detection.label ? overlap(detection, truth) : 0)));
  const hits = new Uint16Array(ordered.length);
  overlapsMin.forEach((least, step) => {
    const taken = new Uint8Array(truths.length);
    shared.forEach((row, place) => {
      let best = -1;
      let most = least;
      row.forEach((value, truth) => {
        if (taken[truth] === 1 || !(value >= most)) return;
        best = truth;
        most = value;
      });
      if (best === -1) return;
      taken[best] = 1;
      hits[place] = (hits[place] as number) | (1 << step);
    });
  });
  return ordered.map(({ label, score }, place) => ({ label, score, hits: hits[place] as number }));
}

function matchFrame<Seen extends Labelled & { readonly score: number }, Truth extends Labelled>(
  frame: SeenFrame<Seen, Truth>,
  scheme: DetectionScheme<Seen, Truth>,
): MatchedFrame {
  const truths = new Uint16Array(scheme.labels.length);
  for (const { label } of frame.truths) truths[label] = (truths[label] as number) + 1;
  const sure = frame.detections.filter(({ score }) => score >= scheme.scoreMin);
  const found = scheme
    .pair(sure, frame.truths, false)
    .map(({ truth, distance, angle }): Found => ({ label: frame.truths[truth]?.label ?? -1, distance, angle }));
  return { detections: scoreFrame(frame, scheme), truths, found, right: scheme.isRight(sure, frame.truths) ? 1 : 0 };
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

/** How far the scores of detections that are sure enough are from the share that hit, over bins of equal width. */
function scoreError(frames: readonly MatchedFrame[], scoreMin: number): Counted {
  const gaps = frames.map(({ detections }) =>
    detections
      .filter(({ score }) => score >= scoreMin)
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

/** Figures of these labels, all or one. */
function labelMetrics(frames: readonly MatchedFrame[], labels: readonly number[], { scoreMin, hasAngles }: FrameFacts): Metrics {
  const isOf = ({ label }: { readonly label: number }): boolean => labels.includes(label);
  const precisionsOver = (steps: number): Counted =>
    macro(
      labels.map((label) =>
        precisionOver(
          frames.flatMap(({ detections }, frame) => detections.filter((one) => one.label === label).map(({ score, hits }) => ({ frame, score, hits }))),
          Uint16Array.from(frames, ({ truths }) => truths[label] ?? 0),
          steps,
        ),
      ),
    );
  const found = frames.map((frame) => frame.found.filter(isOf));
  const centres = listed(found, ({ distance }) => distance);
  const angles = listed(found, ({ angle }) => angle);
  const foundByFrame = Uint16Array.from(found, ({ length }) => length);
  const sure = Uint16Array.from(frames, ({ detections }) => detections.filter((one) => isOf(one) && one.score >= scoreMin).length);
  const there = Uint16Array.from(frames, ({ truths }) => labels.reduce((sum, label) => sum + (truths[label] ?? 0), 0));
  return {
    map50: precisionsOver(1),
    map50to95: precisionsOver(overlapsMin.length),
    recall: shareOver(foundByFrame, there),
    precision: shareOver(foundByFrame, sure),
    centreErrorPx: quantileOver(centres, 0.5),
    centreErrorPxP90: quantileOver(centres, 0.9),
    ...(hasAngles ? { angleErrorDeg: quantileOver(angles, 0.5), angleErrorDegP90: quantileOver(angles, 0.9) } : {}),
  };
}

/** Judges detections; they should reach down to small scores, or average precision is cut short. Rows are frames. */
export function judgeDetector<Seen extends Labelled & { readonly score: number }, Truth extends Labelled>(
  frames: readonly SeenFrame<Seen, Truth>[],
  scheme: DetectionScheme<Seen, Truth>,
  groups?: ArrayLike<number>,
): Judged {
  const { labels, scoreMin } = scheme;
  const everyLabel = labels.map((_, label) => label);
  const matched = frames.map((frame) => matchFrame(frame, scheme));
  const right = Uint8Array.from(matched, (frame) => frame.right);
  const metricsOf = (some: readonly MatchedFrame[]): Metrics => ({
    ...labelMetrics(some, everyLabel, scheme),
    framesRight: meanOf(Uint8Array.from(some, (frame) => frame.right)),
    ece: scoreError(some, scoreMin),
  });
  return {
    rows: frames.length,
    groups,
    main: 'map50',
    metrics: metricsOf(matched),
    within: (rows) => metricsOf(Array.from(rows, (row) => matched[row] as MatchedFrame)),
    classes: labels.map((name, label) => ({
      label: name,
      count: matched.reduce((sum, { truths }) => sum + (truths[label] ?? 0), 0),
      metrics: labelMetrics(matched, [label], scheme),
    })),
    right,
    confusion: labels.length > labelsShownMax ? null : confusionOf(frames, scheme),
  };
}

/** More labels than this make no table that anybody reads. */
const labelsShownMax = 100;

/** A thing taken for another is one mistake, not a missed one and a false one: who is left over is paired by place alone. */
function confusionOf<Seen extends Labelled & { readonly score: number }, Truth extends Labelled>(
  frames: readonly SeenFrame<Seen, Truth>[],
  { labels, scoreMin, pair }: DetectionScheme<Seen, Truth>,
): Confusion {
  /** As a truth, of what was dreamt of; as an answer, of what was missed. */
  const none = labels.length;
  const counts = Array.from({ length: none + 1 }, () => Array.from({ length: none + 1 }, () => 0));
  for (const { detections, truths } of frames) {
    let seen = detections.filter(({ score }) => score >= scoreMin);
    let there = truths;
    const count = (truth: Labelled | undefined, said: Labelled | undefined): void => {
      const line = counts[truth?.label ?? none];
      const column = said?.label ?? none;
      if (line !== undefined) line[column] = (line[column] ?? 0) + 1;
    };
    for (const anyLabel of [false, true]) {
      const pairs = pair(seen, there, anyLabel);
      for (const { detection, truth } of pairs) count(there[truth], seen[detection]);
      const [usedSeen, usedThere] = [new Set(pairs.map(({ detection }) => detection)), new Set(pairs.map(({ truth }) => truth))];
      seen = seen.filter((_, index) => !usedSeen.has(index));
      there = there.filter((_, index) => !usedThere.has(index));
    }
    for (const detection of seen) count(undefined, detection);
    for (const truth of there) count(truth, undefined);
  }
  return { truths: [...labels, 'background'], answers: [...labels, 'missed'], counts };
}
