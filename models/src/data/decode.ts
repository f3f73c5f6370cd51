import sharp from 'sharp';

import type { FrameShape } from '@serin/inference/image-statistics';
import { SerinError } from '@serin/protocol/errors';

import { FileProblem } from './folder.ts';
import type { Affine } from './placement.ts';

export interface FrameSettings extends FrameShape {
  /** 1 (grey) or 3 (red, green, blue). */
  readonly channels: 1 | 3;
  /** `contain` shows the whole picture between bars, `cover` fills the frame and crops, `fill` stretches. */
  readonly fit?: 'contain' | 'cover' | 'fill';
  /** Grey level of the bars and of what was transparent. */
  readonly background?: number;
}

export interface DecodeLimits {
  /** A picture of more pixels is refused before any of them is decoded. */
  readonly pixelsMax?: number;
}

export interface Decoded {
  /** uint8, row by row, channels last. */
  readonly pixels: Uint8Array;
  /** Size of the picture itself, upright. */
  readonly width: number;
  readonly height: number;
  /** From coordinates of the upright picture to those of the frame. */
  readonly toFrame: Affine;
}

export const pixelsMaxDefault = 64 * 2 ** 20;
const sideMax = 4096;

/** By the first bytes, so that no other decoder ever sees a file: some of the library's formats are programs rather than pictures. */
const signatures: readonly (readonly [format: string, hex: RegExp])[] = [
  ['jpeg', /^ffd8ff/],
  ['png', /^89504e470d0a1a0a/],
  ['webp', /^52494646.{8}57454250/],
  ['tiff', /^(4949|4d4d00)2[ab]/],
  ['gif', /^474946383[79]61/],
];

export function checkFrame({ width, height, channels, background = 0 }: FrameSettings): void {
  const isSide = (side: number): boolean => Number.isInteger(side) && side >= 1 && side <= sideMax;
  if (!isSide(width) || !isSide(height)) throw new SerinError('CONFIG_INVALID', { detail: `a frame of ${width}x${height}; sides are 1 to ${sideMax}` });
  if (channels !== 1 && channels !== 3) throw new SerinError('CONFIG_INVALID', { detail: `a frame of ${String(channels)} channels; there may be 1 or 3` });
  if (!Number.isInteger(background) || background < 0 || background > 255) {
    throw new SerinError('CONFIG_INVALID', { detail: `a background of ${background}; it must be from 0 to 255` });
  }
}

/** Size the picture is resized to, and where its upper left corner comes to lie in the frame (negative where it is cropped). */
export function fitPicture(
  picture: { readonly width: number; readonly height: number },
  { width, height, fit = 'contain' }: Pick<FrameSettings, 'width' | 'height' | 'fit'>,
): { readonly width: number; readonly height: number; readonly left: number; readonly top: number } {
  if (fit === 'fill') return { width, height, left: 0, top: 0 };
  const factors = [width / picture.width, height / picture.height] as const;
  const factor = fit === 'contain' ? Math.min(...factors) : Math.max(...factors);
  const least = fit === 'contain' ? [1, 1] : [width, height];
  const wide = Math.max(least[0] ?? 1, Math.round(picture.width * factor));
  const high = Math.max(least[1] ?? 1, Math.round(picture.height * factor));
  return { width: wide, height: high, left: Math.floor((width - wide) / 2), top: Math.floor((height - high) / 2) };
}

/** One frame of a JPEG, PNG, WebP, TIFF or GIF file (its first picture), upright, in the wanted size. */
export async function decodeImage(bytes: Buffer, frame: FrameSettings, { pixelsMax = pixelsMaxDefault }: DecodeLimits = {}): Promise<Decoded> {
  const head = bytes.toString('hex', 0, 16);
  if (!signatures.some(([, pattern]) => pattern.test(head))) {
    throw new FileProblem('image-unknown', `it is no picture of a known kind (${signatures.map(([format]) => format).join(', ')})`);
  }
  // `error` includes truncated files; mere warnings come with many a camera's files.
  const image = sharp(bytes, { autoOrient: true, failOn: 'error', limitInputPixels: pixelsMax, pages: 1 });
  const grey = frame.background ?? 0;
  const background = { r: grey, g: grey, b: grey };
  try {
    const { autoOrient: picture } = await image.metadata();
    const { width, height, left, top } = fitPicture(picture, frame);
    image.flatten({ background }).resize(width, height, { fit: 'fill' });
    if (width > frame.width || height > frame.height) image.extract({ left: -left, top: -top, width: frame.width, height: frame.height });
    else if (width < frame.width || height < frame.height) {
      image.extend({ left, top, right: frame.width - width - left, bottom: frame.height - height - top, background });
    }
    const { data, info } = await image
      .toColourspace(frame.channels === 1 ? 'b-w' : 'srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    if (info.width !== frame.width || info.height !== frame.height || info.channels !== frame.channels) {
      throw new Error(`it became ${info.width}x${info.height}x${info.channels}`);
    }
    // Where libvips enlarges, along one side or both, it goes by the corners of pixels: all moves by half a pixel.
    const shift = width > picture.width || height > picture.height ? 0.5 : 0;
    const toFrame = { a: width / picture.width, b: 0, c: left + shift, d: 0, e: height / picture.height, f: top + shift };
    return { pixels: new Uint8Array(data.buffer, data.byteOffset, data.byteLength), width: picture.width, height: picture.height, toFrame };
  } catch (cause) {
    const said = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause);
    if (said.includes('pixel limit')) throw new FileProblem('too-large', `the picture has more than ${pixelsMax} pixels`, cause);
    throw new FileProblem('image-damaged', `it cannot be decoded: ${said}`, cause);
  }
}
