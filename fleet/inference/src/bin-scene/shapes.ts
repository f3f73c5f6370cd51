/** The parts as signed distances: pixels at scale 1 from the outline, negative inside. Edges are anti-aliased and any rotation costs the same. */
export type Distance = (x: number, y: number) => number;

export interface Shape {
  readonly distance: Distance;
  /** What the surface adds to its tone: threads, brushing, facets. */
  readonly texture: Distance;
}

const box = (x: number, y: number, halfWidth: number, halfHeight: number): number => {
  const dx = Math.abs(x) - halfWidth;
  const dy = Math.abs(y) - halfHeight;
  return dx > 0 && dy > 0 ? Math.sqrt(dx * dx + dy * dy) : Math.max(dx, dy);
};

/** Flats above and below, corners on the x axis. */
const hexagon = (x: number, y: number, apothem: number): number => {
  const ax = Math.abs(x);
  const ay = Math.abs(y);
  return Math.max(ax * 0.8660254 + ay * 0.5, ay) - apothem;
};

const radius = (x: number, y: number): number => Math.sqrt(x * x + y * y);

/** Indexed like `partKinds`; each lies mirrored on its x axis, so a mirrored picture is a picture of the same parts. */
export const shapes: readonly Shape[] = [
  {
    distance: (x, y) => Math.abs(radius(x, y) - 8) - 2,
    texture: (x, y) => 5 * Math.sin(radius(x, y) * 3.1),
  },
  {
    distance: (x, y) => Math.max(hexagon(x, y, 9), 4.1 - radius(x, y)),
    texture: (x, y) => {
      const r = radius(x, y);
      return r < 5.4 ? -30 : r > 8.6 ? -22 : 0;
    },
  },
  {
    distance: (x, y) => Math.max(box(x, y, 11.5, 3.5) - 3, 2.9 - radius(Math.abs(x) - 8.4, y)),
    texture: (_, y) => 6 * Math.sin(y * 2.3),
  },
  {
    distance: (x, y) => Math.min(box(x - 3.5, y, 10.1, 2.5) - 0.4, box(x + 10.25, y, 3.25, 6) - 0.5),
    texture: (x, y) => (x < -6.4 ? (Math.abs(y) > 3.2 ? -20 : 10) : (x > 0 ? 22 * Math.sin(x * 2.6 + y * 0.5) : 0) - 1.6 * y * y),
  },
];
