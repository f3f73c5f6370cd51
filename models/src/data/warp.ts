import type { FrameShape } from '@serin/inference/image-statistics';

import { compose, invert, isIdentity, type Affine } from './placement.ts';

/** What lies beyond the edge of a picture: a grey, the nearest pixel, or the picture mirrored at its edge. */
export type Border = number | 'edge' | 'reflect';

/** From continuous coordinates to those in which the centre of pixel 0 is 0, and back. */
const toCentres: Affine = { a: 1, b: 0, c: -0.5, d: 0, e: 1, f: -0.5 };
const fromCentres: Affine = { a: 1, b: 0, c: 0.5, d: 0, e: 1, f: 0.5 };

/** A right angle leaves a cosine of 6e-17, which would blend two pixels where one is meant. */
const snap = (value: number): number => (Math.abs(value - Math.round(value)) < 1e-9 ? Math.round(value) : value);

/** Index of the pixel that stands in for one beyond the edge; -1 when a grey does. */
function inside(index: number, size: number, border: Border): number {
  if (index >= 0 && index < size) return index;
  if (typeof border === 'number') return -1;
  if (border === 'edge') return index < 0 ? 0 : size - 1;
  const wrapped = ((index % (2 * size)) + 2 * size) % (2 * size);
  return wrapped < size ? wrapped : 2 * size - 1 - wrapped;
}

/**
 * Draws `source`, transformed by `forward`, into `out`: bilinear, every pixel of `out` in one pass whatever was
 * composed. `out` must not be `source`.
 */
export function warp(source: Uint8Array, shape: FrameShape, forward: Affine, border: Border, out: Uint8Array): void {
  if (isIdentity(forward)) {
    out.set(source.subarray(0, shape.width * shape.height * shape.channels));
    return;
  }
  const back = compose(compose(fromCentres, invert(forward)), toCentres);
  const stepX = snap(back.a);
  const stepY = snap(back.d);
  for (let row = 0; row < shape.height; row += 1) {
    const startX = snap(back.b * row + back.c);
    const startY = snap(back.e * row + back.f);
    drawRow(source, shape, { startX, startY, stepX, stepY }, border, out, row);
  }
}

interface Line {
  readonly startX: number;
  readonly startY: number;
  readonly stepX: number;
  readonly stepY: number;
}

function drawRow(source: Uint8Array, shape: FrameShape, { startX, startY, stepX, stepY }: Line, border: Border, out: Uint8Array, row: number): void {
  const { width, height, channels } = shape;
  const stride = width * channels;
  const lastX = width - 1;
  const lastY = height - 1;
  let to = row * stride;
  for (let column = 0; column < width; column += 1, to += channels) {
    const x = startX + column * stepX;
    const y = startY + column * stepY;
    if (!(x >= 0 && x < lastX && y >= 0 && y < lastY)) {
      drawEdge(source, shape, x, y, border, out, to);
      continue;
    }
    const left = x | 0;
    const top = y | 0;
    const right8 = ((x - left) * 256 + 0.5) | 0;
    const below8 = ((y - top) * 256 + 0.5) | 0;
    const at = top * stride + left * channels;
    for (let channel = 0; channel < channels; channel += 1) {
      const from = at + channel;
      const above = (source[from] as number) * (256 - right8) + (source[from + channels] as number) * right8;
      const below = (source[from + stride] as number) * (256 - right8) + (source[from + stride + channels] as number) * right8;
      out[to + channel] = (above * (256 - below8) + below * below8 + 32768) >> 16;
    }
  }
}

/** The slow twin for pixels whose neighbours may lie beyond the edge. */
function drawEdge(source: Uint8Array, { width, height, channels }: FrameShape, x: number, y: number, border: Border, out: Uint8Array, to: number): void {
  const left = Math.floor(x);
  const top = Math.floor(y);
  const right8 = ((x - left) * 256 + 0.5) | 0;
  const below8 = ((y - top) * 256 + 0.5) | 0;
  const columns = [inside(left, width, border), inside(left + 1, width, border)] as const;
  const rows = [inside(top, height, border), inside(top + 1, height, border)] as const;
  const grey = typeof border === 'number' ? border : 0;
  for (let channel = 0; channel < channels; channel += 1) {
    const tap = (row: number, column: number): number => (row < 0 || column < 0 ? grey : (source[(row * width + column) * channels + channel] ?? grey));
    const above = tap(rows[0], columns[0]) * (256 - right8) + tap(rows[0], columns[1]) * right8;
    const below = tap(rows[1], columns[0]) * (256 - right8) + tap(rows[1], columns[1]) * right8;
    out[to + channel] = (above * (256 - below8) + below * below8 + 32768) >> 16;
  }
}
