import { partKinds } from './bin-scene/parameters.ts';

/** A part as a model sees it; pixels of the input frame, x to the right, y down. */
export interface Detection {
  /** Index into the labels. */
  readonly label: number;
  readonly x: number;
  readonly y: number;
  /** Radians from the frame's x axis towards its y axis. */
  readonly angle: number;
  readonly score: number;
}

/** A part as it lies in the bin. */
export interface Part {
  readonly label: number;
  readonly x: number;
  readonly y: number;
  readonly angle: number;
  /** Share of it that nothing covers. */
  readonly visible: number;
}

/** Numbers in a row of a model's `detections` output: label, x, y, angle, score. */
export const detectionFields = 5;

/**
 * Reads rows of a `detections` output, best score first; rows below the score are unused. A row that is not finite
 * makes the whole answer none at all.
 */
export function readDetections(values: ArrayLike<number>, rows: number, offset = 0, scoreMin = detectionScoreMin): Detection[] {
  const found: Detection[] = [];
  for (let row = 0; row < rows; row += 1) {
    const at = offset + row * detectionFields;
    const [label, x, y, angle, score] = [values[at], values[at + 1], values[at + 2], values[at + 3], values[at + 4]];
    if (label === undefined || x === undefined || y === undefined || angle === undefined || score === undefined) return [];
    if (!Number.isFinite(label + x + y + angle + score)) return [];
    if (score >= scoreMin && score > 0) found.push({ label, x, y, angle, score });
  }
  return found;
}

/** What a bin picker takes for a part. */
export const detectionScoreMin = 0.3;
/**
 * How sure a model is of a whole frame: the mean score of what it detected, 0 where it detected nothing. Devices count
 * it as the statistic `confidence`, and a version's profile is made of it.
 */
export const meanScore = (detections: readonly Detection[]): number => detections.reduce((sum, { score }) => sum + score, 0) / Math.max(1, detections.length);

/** How near a detection must lie to mean a part. */
const matchDistanceMax = 6;
/** What a gripper forgives. */
const pickDistanceMax = 3;
const pickAngleMax = (10 * Math.PI) / 180;
/** Parts seen this well count as there for the taking, and this share of them may be overlooked. */
const wellVisible = 0.8;
const missedShareMax = 0.2;

/** The smallest turn between two angles of a part with this symmetry, from -pi / symmetry to pi / symmetry. */
export function turnBetween(from: number, to: number, symmetry: number): number {
  if (symmetry === Infinity) return 0;
  const period = (2 * Math.PI) / symmetry;
  const turn = to - from;
  return turn - period * Math.round(turn / period);
}

export interface Match {
  /** Index into the detections. */
  readonly detection: number;
  /** Index into the parts. */
  readonly part: number;
  readonly distance: number;
  /** Radians, at least zero, modulo the part's symmetry. */
  readonly angleError: number;
}

/** Pairs detections, best first, each with the nearest part of its label that is still free. */
export function matchDetections(detections: readonly Detection[], parts: readonly Part[], distanceMax = matchDistanceMax): Match[] {
  const order = detections.map((_, index) => index).toSorted((a, b) => (detections[b]?.score ?? 0) - (detections[a]?.score ?? 0));
  const taken = new Set<number>();
  const matches: Match[] = [];
  for (const detection of order) {
    const { label, x, y, angle } = detections[detection] as Detection;
    let nearest = -1;
    let distance = distanceMax;
    parts.forEach((part, index) => {
      const apart = part.label === label && !taken.has(index) ? Math.hypot(part.x - x, part.y - y) : Infinity;
      if (apart > distance) return;
      nearest = index;
      distance = apart;
    });
    const part = parts[nearest];
    if (part === undefined) continue;
    taken.add(nearest);
    matches.push({ detection, part: nearest, distance, angleError: Math.abs(turnBetween(part.angle, angle, partKinds[label]?.symmetry ?? 1)) });
  }
  return matches;
}

/**
 * Whether an answer serves the robot at the bin: its best detection can be gripped where it says, and few of the
 * parts that lie open are overlooked. A bin without parts asks for no detection.
 */
export function judgeBin(detections: readonly Detection[], parts: readonly Part[]): boolean {
  const [first, ...rest] = detections;
  if (first === undefined) return parts.length === 0;
  const best = rest.reduce((a, b) => (b.score > a.score ? b : a), first);
  const matches = matchDetections(detections, parts);
  const pick = matches.find(({ detection }) => detections[detection] === best);
  if (pick === undefined || pick.distance > pickDistanceMax || pick.angleError > pickAngleMax) return false;
  const matched = new Set(matches.map(({ part }) => part));
  const open = parts.map((_, index) => index).filter((index) => (parts[index]?.visible ?? 0) >= wellVisible);
  const missed = open.filter((index) => !matched.has(index)).length;
  return missed <= missedShareMax * open.length;
}
