import { partKinds } from '@serin/inference/bin-scene/parameters';
import { turnBetween, type Detection, type Part } from '@serin/inference/detections';

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
