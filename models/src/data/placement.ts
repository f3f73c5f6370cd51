/**
 * Where something is in a picture, and how that changes when the picture does. Coordinates are continuous, in
 * pixels: the left edge of the picture is 0, the centre of its first pixel .5, its right edge the width; y grows
 * downwards, and angles (radians) from x towards y.
 */
export interface Placed {
  /** Centre. */
  readonly x: number;
  readonly y: number;
  /** Extents along the axes of the object; without them it is a point. */
  readonly width?: number;
  readonly height?: number;
  /** Without it a box stays parallel to the picture: turned, it becomes the box around the turned one. */
  readonly angle?: number;
}

/** `x' = a x + b y + c`, `y' = d x + e y + f`. */
export interface Affine {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  readonly e: number;
  readonly f: number;
}

export const identity: Affine = { a: 1, b: 0, c: 0, d: 0, e: 1, f: 0 };

export const isIdentity = ({ a, b, c, d, e, f }: Affine): boolean => a === 1 && b === 0 && c === 0 && d === 0 && e === 1 && f === 0;

/** First `first`, then `second`. */
export function compose(first: Affine, second: Affine): Affine {
  return {
    a: second.a * first.a + second.b * first.d,
    b: second.a * first.b + second.b * first.e,
    c: second.a * first.c + second.b * first.f + second.c,
    d: second.d * first.a + second.e * first.d,
    e: second.d * first.b + second.e * first.e,
    f: second.d * first.c + second.e * first.f + second.f,
  };
}

export function invert({ a, b, c, d, e, f }: Affine): Affine {
  const determinant = a * e - b * d;
  return {
    a: e / determinant,
    b: -b / determinant,
    c: (b * f - e * c) / determinant,
    d: -d / determinant,
    e: a / determinant,
    f: (d * c - a * f) / determinant,
  };
}

/** The object after the picture was transformed; what else it carries is kept. */
export function place<Item extends Placed>(affine: Affine, item: Item): Item {
  const { a, b, c, d, e, f } = affine;
  const moved = { ...item, x: a * item.x + b * item.y + c, y: d * item.x + e * item.y + f };
  if (item.angle === undefined) {
    if (item.width === undefined || item.height === undefined) return moved;
    return { ...moved, width: Math.abs(a) * item.width + Math.abs(b) * item.height, height: Math.abs(d) * item.width + Math.abs(e) * item.height };
  }
  const cos = Math.cos(item.angle);
  const sin = Math.sin(item.angle);
  const along = { x: a * cos + b * sin, y: d * cos + e * sin };
  const turned = { ...moved, angle: Math.atan2(along.y, along.x) };
  if (item.width === undefined || item.height === undefined) return turned;
  const across = Math.hypot(b * cos - a * sin, e * cos - d * sin);
  return { ...turned, width: item.width * Math.hypot(along.x, along.y), height: item.height * across };
}

export const liesWithin = ({ x, y }: Placed, { width, height }: { readonly width: number; readonly height: number }): boolean =>
  x >= 0 && x < width && y >= 0 && y < height;
