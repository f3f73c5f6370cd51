import { partKinds } from '@serin/inference/bin-scene/parameters';
import { turnBetween, type Detection, type Part } from '@serin/inference/detections';

type Point = readonly [x: number, y: number];

/** A rectangle by its centre, its extents along its own axes, and how far these are turned. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** Radians from x towards y. */
  readonly angle: number;
}

/** Counter-clockwise as the picture's axes turn. */
function cornersOf({ x, y, width, height, angle }: Box): Point[] {
  const alongX = (Math.cos(angle) * width) / 2;
  const alongY = (Math.sin(angle) * width) / 2;
  const acrossX = (-Math.sin(angle) * height) / 2;
  const acrossY = (Math.cos(angle) * height) / 2;
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

/** Intersection over union; 0 where there is nothing to share. */
export function boxOverlap(one: Box, other: Box): number {
  // Most pairs of a frame are far apart, and that is cheap to see.
  const reach = (Math.hypot(one.width, one.height) + Math.hypot(other.width, other.height)) / 2;
  if (Math.hypot(one.x - other.x, one.y - other.y) >= reach) return 0;
  const shared = polygonArea(clip(cornersOf(one), cornersOf(other)));
  return shared === 0 ? 0 : shared / (one.width * one.height + other.width * other.height - shared);
}

/**
 * The same of the boxes of a detection and a part, which both have the kind's dimensions. A detection turned by the part's
 * symmetry is the same detection.
 */
export function overlap(detection: Detection, part: Part): number {
  const kind = partKinds[part.label];
  if (kind === undefined || detection.label !== part.label) return 0;
  const size = { width: kind.length, height: kind.width };
  const angle = part.angle + turnBetween(part.angle, detection.angle, kind.symmetry);
  return boxOverlap({ ...size, x: detection.x, y: detection.y, angle }, { ...size, x: part.x, y: part.y, angle: part.angle });
}
