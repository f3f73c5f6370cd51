import { partKinds } from '@serin/inference/bin-scene/parameters';
import { detectionScoreMin, judgeBin, matchDetections, turnBetween, type Detection, type Part } from '@serin/inference/detections';

import type { Judged } from './judged.ts';
import { judgeDetector, type DetectionScheme, type Pair } from './judged-detections.ts';
import { boxOverlap, overlap, type Box } from './overlap.ts';

const degrees = (radians: number): number => (radians * 180) / Math.PI;

const anyKind = <Thing extends { readonly label: number }>(things: readonly Thing[]): Thing[] => things.map((thing) => ({ ...thing, label: 0 }));

/** Parts in a bin: points with an angle modulo symmetry, in boxes of their kind; right is what a picker can use. */
const partScheme: DetectionScheme<Detection, Part> = {
  labels: partKinds.map(({ label }) => label),
  scoreMin: detectionScoreMin,
  hasAngles: true,
  overlap,
  pair: (seen, parts, anyLabel) =>
    (anyLabel ? matchDetections(anyKind(seen), anyKind(parts)) : matchDetections(seen, parts)).map(({ detection, part, distance, angleError }) => {
      const hasAngle = partKinds[parts[part]?.label ?? -1]?.symmetry !== Infinity;
      return { detection, truth: part, distance, angle: hasAngle ? degrees(angleError) : undefined };
    }),
  isRight: judgeBin,
};

/** What was said about one bin, and what lies in it. */
export interface DetectedFrame {
  readonly detections: readonly Detection[];
  readonly parts: readonly Part[];
}

export const judgeDetections = (frames: readonly DetectedFrame[], groups?: ArrayLike<number>): Judged =>
  judgeDetector(
    frames.map(({ detections, parts }) => ({ detections, truths: parts })),
    partScheme,
    groups,
  );

/** Something marked in a picture by a box; boxes without an angle lie parallel to the picture. */
export interface MarkedBox extends Omit<Box, 'angle'> {
  readonly label: number;
  readonly angle?: number;
}

export interface BoxedFrame {
  readonly detections: readonly (MarkedBox & { readonly score: number })[];
  readonly truths: readonly MarkedBox[];
}

const overlapOf = (one: MarkedBox, other: MarkedBox): number => boxOverlap({ angle: 0, ...one }, { angle: 0, ...other });

/** The best first, each with the box it overlaps most among those still free, by half at least. */
function pairBoxes(seen: BoxedFrame['detections'], truths: readonly MarkedBox[], anyLabel: boolean): Pair[] {
  const taken = new Set<number>();
  return seen
    .map((_, index) => index)
    .toSorted((a, b) => (seen[b]?.score ?? 0) - (seen[a]?.score ?? 0))
    .flatMap((detection) => {
      const box = seen[detection] as MarkedBox;
      let best = -1;
      let most = 0.5;
      truths.forEach((truth, index) => {
        if (taken.has(index) || (!anyLabel && truth.label !== box.label)) return;
        const shared = overlapOf(box, truth);
        if (shared >= most) [best, most] = [index, shared];
      });
      const truth = truths[best];
      if (truth === undefined) return [];
      taken.add(best);
      // A box looks the same after half a turn.
      const angle = truth.angle === undefined ? undefined : degrees(Math.abs(turnBetween(truth.angle, box.angle ?? 0, 2)));
      return [{ detection, truth: best, distance: Math.hypot(box.x - truth.x, box.y - truth.y), angle }];
    });
}

const boxScheme = (labels: readonly string[], scoreMin: number, hasAngles: boolean): DetectionScheme<BoxedFrame['detections'][number], MarkedBox> => ({
  labels,
  scoreMin,
  hasAngles,
  overlap: overlapOf,
  pair: pairBoxes,
  isRight: (seen, truths) => seen.length === truths.length && pairBoxes(seen, truths, false).length === truths.length,
});

/** Judges boxes; a frame is right where each is found and none is dreamt of. */
export const judgeBoxes = (frames: readonly BoxedFrame[], labels: readonly string[], scoreMin = 0.5, groups?: ArrayLike<number>): Judged =>
  judgeDetector(
    frames,
    boxScheme(
      labels,
      scoreMin,
      frames.some(({ truths }) => truths.some(({ angle }) => angle !== undefined)),
    ),
    groups,
  );
