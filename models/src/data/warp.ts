import type { FrameShape } from '@serin/inference/image-statistics';

import { compose, invert, isIdentity, type Affine } from './placement.ts';

/** What lies beyond the edge of a picture: a grey, the nearest pixel, or the picture mirrored at its edge. */
export type Border = number | 'edge' | 'reflect';

/** From continuous coordinates to those in which the centre of pixel 0 is 0, and back. */
const toCentres: Affine = { a: 1, b: 0, c: -0.5, d: 0, e: 1, f: -0.5 };
const fromCentres: Affine = { a: 1, b: 0, c: 0.5, d: 0, e: 1, f: 0.5 };

/** A right angle leaves a cosine of 6e-17, which would blend two pixels where one is meant. */
const snap = (value: number): number => (Math.abs(value - Math.round(value)) < 1e-9 ? Math.round(value) : value);

/** The coordinate within the picture that shows what lies at one beyond its edge. */
function fold(at: number, size: number, border: Border): number {
  let folded = at;
  if (border === 'reflect' && (at < -1 || at > size)) {
    const turn = (((at + 0.5) % (2 * size)) + 2 * size) % (2 * size);
    folded = (turn < size ? turn : 2 * size - turn) - 0.5;
  } else if (border === 'reflect') {
    folded = at < -0.5 ? -1 - at : at > size - 0.5 ? 2 * size - 1 - at : at;
  }
  return folded < 0 ? 0 : folded > size - 1 ? size - 1 : folded;
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
  const grey = typeof border === 'number' ? border : -1;
  let to = row * stride;
  for (let column = 0; column < width; column += 1, to += channels) {
    let x = startX + column * stepX;
    let y = startY + column * stepY;
    if (!(x >= 0 && x <= lastX && y >= 0 && y <= lastY)) {
      if (grey >= 0) {
        drawEdge(source, shape, x, y, grey, out, to);
        continue;
      }
      x = fold(x, width, border);
      y = fold(y, height, border);
    }
    const left = x | 0;
    const top = y | 0;
    const right8 = ((x - left) * 256 + 0.5) | 0;
    const below8 = ((y - top) * 256 + 0.5) | 0;
    const topRight = right8 * (256 - below8);
    const bottomLeft = (256 - right8) * below8;
    const bottomRight = right8 * below8;
    const topLeft = 65536 - topRight - bottomLeft - bottomRight;
    const nextX = left < lastX ? channels : 0;
    const nextY = top < lastY ? stride : 0;
    let at = top * stride + left * channels;
    for (let channel = 0; channel < channels; channel += 1, at += 1) {
      out[to + channel] =
        ((source[at] as number) * topLeft +
          (source[at + nextX] as number) * topRight +
          (source[at + nextY] as number) * bottomLeft +
          (source[at + nextX + nextY] as number) * bottomRight +
          32768) >>
        16;
    }
  }
}

/** A pixel on the border or beyond it, which blends into a grey. */
function drawEdge(source: Uint8Array, { width, height, channels }: FrameShape, x: number, y: number, grey: number, out: Uint8Array, to: number): void {
  if (!(x > -1 && x < width && y > -1 && y < height)) {
    out.fill(grey, to, to + channels);
    return;
  }
  const left = Math.floor(x);
  const top = Math.floor(y);
  const within = (row: number, column: number): boolean => row >= 0 && row < height && column >= 0 && column < width;
  for (let channel = 0; channel < channels; channel += 1) {
    const tap = (row: number, column: number): number => (within(row, column) ? (source[(row * width + column) * channels + channel] as number) : grey);
    const above = tap(top, left) * (left + 1 - x) + tap(top, left + 1) * (x - left);
    const below = tap(top + 1, left) * (left + 1 - x) + tap(top + 1, left + 1) * (x - left);
    out[to + channel] = Math.round(above * (top + 1 - y) + below * (y - top));
  }
}
