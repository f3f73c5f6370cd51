import { partKinds } from '@serin/inference/bin-scene/parameters';
import { detectionScoreMin, judgeBin, matchDetections, turnBetween, type Detection, type Part } from '@serin/inference/detections';

/** What was said about one frame, and what is true. */
export interface DetectedFrame {
  readonly detections: readonly Detection[];
  readonly parts: readonly Part[];
}

export interface Spread {
  readonly median: number;
  readonly p90: number;
}

export interface DetectionEvaluation {
  readonly frames: number;
  readonly parts: number;
  /** Mean of the average precisions of the kinds that occur, at an overlap of at least a half. */
  readonly map50: number;
  /** A kind of part; NaN for one that does not occur. */
  readonly averagePrecision: readonly number[];
  /** Pixels, over the parts that were found. */
  readonly centreError: Spread;
  /** Degrees modulo symmetry, over the parts found that have an angle. */
  readonly angleError: Spread;
  /** Share of the parts that were found at the score a picker asks for. */
  readonly recall: number;
  /** 1 where the answer serves the picker, per frame. */
  readonly right: Uint8Array;
  readonly rightShare: number;
}

type Point = readonly [x: number, y: number];

/** Corners of the box of a part of this kind, counter-clockwise as the picture's axes turn. */
function corners(label: number, x: number, y: number, angle: number): Point[] {
  const { length, width } = partKinds[label] ?? { length: 0, width: 0 };
  const alongX = (Math.cos(angle) * length) / 2;
  const alongY = (Math.sin(angle) * length) / 2;
  const acrossX = (-Math.sin(angle) * width) / 2;
  const acrossY = (Math.cos(angle) * width) / 2;
  return [
    [x - alongX - acrossX, y - alongY - acrossY],
    [x + alongX - acrossX, y + alongY - acrossY],
    [x + alongX + acrossX, y + alongY + acrossY],
    [x - alongX + acrossX, y - alongY + acrossY],
  ];
}

/** Area of a polygon by the shoelace formula. */
function polygonArea(polygon: readonly Point[]): number {
  let twice = 0;
  polygon.forEach(([x, y], index) => {
    const [nextX, nextY] = polygon[(index + 1) % polygon.length] as Point;
    twice += x * nextY - nextX * y;
  });
  return Math.abs(twice) / 2;
}

/** What two convex polygons of the same winding share (Sutherland and Hodgman 1974). */
function clip(subject: readonly Point[], clipper: readonly Point[]): readonly Point[] {
  let kept = subject;
  clipper.forEach(([fromX, fromY], edge) => {
    const [toX, toY] = clipper[(edge + 1) % clipper.length] as Point;
    const side = ([x, y]: Point): number => (toX - fromX) * (y - fromY) - (toY - fromY) * (x - fromX);
    const next: Point[] = [];
    kept.forEach((point, index) => {
      const before = kept.at(index - 1) as Point;
      const [here, there] = [side(point), side(before)];
      if (here >= 0 !== there >= 0) {
        const share = there / (there - here);
        next.push([before[0] + share * (point[0] - before[0]), before[1] + share * (point[1] - before[1])]);
      }
      if (here >= 0) next.push(point);
    });
    kept = next;
  });
  return kept;
}

/**
 * Intersection over union of the oriented boxes of a detection and a part, which both have the kind's dimensions.
 * A detection turned by the part's symmetry is the same detection.
 */
export function overlap(detection: Detection, part: Part): number {
  if (detection.label !== part.label) return 0;
  const symmetry = partKinds[part.label]?.symmetry ?? 1;
  const angle = part.angle + turnBetween(part.angle, detection.angle, symmetry);
  const truth = corners(part.label, part.x, part.y, part.angle);
  const shared = polygonArea(clip(corners(part.label, detection.x, detection.y, angle), truth));
  return shared / (2 * polygonArea(truth) - shared);
}

const overlapMin = 0.5;

/** Area under the interpolated curve of precision over recall; `hits` are in the order of falling scores. */
export function averagePrecision(hits: readonly { readonly score: number; readonly hit: boolean }[], truths: number): number {
  if (truths === 0) return Number.NaN;
  const ordered = hits.toSorted((a, b) => b.score - a.score);
  const curve: { recall: number; precision: number }[] = [];
  let found = 0;
  ordered.forEach(({ hit, score }, index) => {
    if (hit) found += 1;
    // Equal scores cannot be told apart by any threshold.
    if (ordered[index + 1]?.score !== score) curve.push({ recall: found / truths, precision: found / (index + 1) });
  });
  let area = 0;
  let best = 0;
  for (let index = curve.length - 1; index >= 0; index -= 1) {
    const { recall, precision } = curve[index] as (typeof curve)[number];
    best = Math.max(best, precision);
    area += best * (recall - (curve[index - 1]?.recall ?? 0));
  }
  return area;
}

/** Pairs every detection, best first, with the part it overlaps most among those still free. */
function hitsOf({ detections, parts }: DetectedFrame): { label: number; score: number; hit: boolean }[] {
  const taken = new Set<Part>();
  return detections
    .toSorted((a, b) => b.score - a.score)
    .map((detection) => {
      let best: Part | undefined;
      let most = overlapMin;
      for (const part of parts) {
        const shared = taken.has(part) ? 0 : overlap(detection, part);
        if (shared < most) continue;
        best = part;
        most = shared;
      }
      if (best !== undefined) taken.add(best);
      return { label: detection.label, score: detection.score, hit: best !== undefined };
    });
}

function spread(values: number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
  return { median: at(0.5), p90: at(0.9) };
}

/** Judges detections over all frames. Detections should reach down to small scores, or average precision is cut short. */
export function evaluateDetections(frames: readonly DetectedFrame[]): DetectionEvaluation {
  const hits = frames.flatMap(hitsOf);
  const parts = frames.flatMap((frame) => frame.parts);
  const precisions = partKinds.map((_, label) =>
    averagePrecision(
      hits.filter((hit) => hit.label === label),
      parts.filter((part) => part.label === label).length,
    ),
  );
  const known = precisions.filter((precision) => !Number.isNaN(precision));

  const centres: number[] = [];
  const angles: number[] = [];
  const right = new Uint8Array(frames.length);
  frames.forEach(({ detections, parts: truths }, index) => {
    const sure = detections.filter(({ score }) => score >= detectionScoreMin);
    for (const { part, distance, angleError } of matchDetections(sure, truths)) {
      centres.push(distance);
      if (partKinds[truths[part]?.label ?? -1]?.symmetry !== Infinity) angles.push((angleError * 180) / Math.PI);
    }
    right[index] = judgeBin(sure, truths) ? 1 : 0;
  });

  return {
    frames: frames.length,
    parts: parts.length,
    map50: known.reduce((sum, precision) => sum + precision, 0) / known.length,
    averagePrecision: precisions,
    centreError: spread(centres),
    angleError: spread(angles),
    recall: centres.length / parts.length,
    right,
    rightShare: right.reduce((sum, one) => sum + one, 0) / frames.length,
  };
}
