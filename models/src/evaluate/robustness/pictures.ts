import type { FrameShape } from '@serin/inference/image-statistics';
import type { Random } from '@serin/inference/random';
import { SerinError } from '@serin/protocol/errors';
import sharp from 'sharp';

import { addNoise, applyTone, blur } from '../../data/photometry.ts';
import { throwIfCancelled } from '../../train/cancellation.ts';
import type { Severity } from '../measured.ts';
import { breath, severities, type Perturbation } from './perturbation.ts';

/** Frames one after the other: uint8, row by row, channels last. */
export interface Pictures {
  readonly shape: FrameShape;
  readonly pixels: Uint8Array;
}

export const frameBytesOf = ({ width, height, channels }: FrameShape): number => width * height * channels;
export const countPictures = ({ shape, pixels }: Pictures): number => pixels.length / frameBytesOf(shape);

interface Kind {
  /** At severity 0, where nothing happens, 1, 2 and 3. */
  readonly levels: readonly [none: number, number, number, number];
  words(level: number): string;
  /** Changes one frame in place. */
  apply(frame: Uint8Array, shape: FrameShape, level: number, random: Random): void | Promise<void>;
}

const tone = { brightness: 1, contrast: 1, gamma: 1, gains: [] };
const percent = (share: number): string => `${Number((100 * share).toPrecision(3))} %`;

/** Levels are in pixels of a frame whose shorter side is this long, and grow with larger frames. */
const usualSide = 128;
const scaleOf = ({ width, height }: FrameShape): number => Math.max(1, Math.min(width, height) / usualSide);

const kinds = {
  brighter: {
    levels: [1, 1.25, 1.6, 2],
    words: (factor) => `${factor} times as bright`,
    apply: (frame, { channels }, brightness) => applyTone(frame, channels, { ...tone, brightness }),
  },
  darker: {
    levels: [1, 0.75, 0.5, 0.3],
    words: (factor) => `${factor} times as bright`,
    apply: (frame, { channels }, brightness) => applyTone(frame, channels, { ...tone, brightness }),
  },
  contrast: {
    levels: [1, 0.75, 0.5, 0.3],
    words: (factor) => `${factor} of the contrast`,
    apply: (frame, { channels }, contrast) => applyTone(frame, channels, { ...tone, contrast }),
  },
  blur: {
    levels: [0, 0.6, 1.2, 2.4],
    words: (sigma) => `blurred by ${sigma} pixels of ${usualSide}`,
    apply: (frame, shape, sigma) => blur(frame, shape, sigma * scaleOf(shape), new Uint16Array(frame.length)),
  },
  noise: {
    levels: [0, 8, 16, 32],
    words: (sigma) => `noise of ${sigma} grey levels`,
    apply: (frame, _, sigma, random) => addNoise(frame, sigma, random),
  },
  'salt-pepper': {
    levels: [0, 0.01, 0.03, 0.1],
    words: (share) => `${percent(share)} of the pixels black or white`,
    apply: (frame, { channels }, share, random) => saltAndPepper(frame, channels, share, random),
  },
  occlusion: {
    levels: [0, 0.05, 0.1, 0.2],
    words: (share) => `a rectangle over ${percent(share)} of the picture`,
    apply: cover,
  },
  jpeg: {
    levels: [100, 50, 25, 10],
    words: (quality) => `JPEG of quality ${quality}`,
    apply: compress,
  },
} satisfies Readonly<Record<string, Kind>>;

export type PictureKind = keyof typeof kinds;
export const pictureKinds = Object.keys(kinds) as PictureKind[];

function saltAndPepper(frame: Uint8Array, channels: number, share: number, random: Random): void {
  for (let at = 0; at < frame.length; at += channels) {
    const draw = random.uniform();
    if (draw < share) frame.fill(draw < share / 2 ? 0 : 255, at, at + channels);
  }
}

/** One rectangle of this share of the picture, of any form from upright to lying, anywhere, in a grey of its own. */
function cover(frame: Uint8Array, { width, height, channels }: FrameShape, share: number, random: Random): void {
  const area = share * width * height;
  const wide = Math.max(1, Math.min(width, Math.round(Math.sqrt(area * random.between(0.5, 2)))));
  const high = Math.max(1, Math.min(height, Math.round(area / wide)));
  const [left, top, grey] = [random.integer(width - wide + 1), random.integer(height - high + 1), random.integer(256)];
  for (let row = top; row < top + high; row += 1) frame.fill(grey, (row * width + left) * channels, (row * width + left + wide) * channels);
}

async function compress(frame: Uint8Array, { width, height, channels }: FrameShape, quality: number): Promise<void> {
  if (channels !== 1 && channels !== 3) throw new SerinError('CONFIG_INVALID', { detail: `a JPEG has 1 or 3 channels, these pictures have ${channels}` });
  const raw = { width, height, channels: channels === 1 ? 1 : 3 } as const;
  const file = await sharp(frame, { raw }).jpeg({ quality }).toBuffer();
  const data = await sharp(file)
    .toColourspace(channels === 1 ? 'b-w' : 'srgb')
    .raw({ depth: 'uchar' })
    .toBuffer();
  frame.set(data);
}

/** Changes one frame in place; severity 0 leaves it as it is. */
export async function perturbPicture(kind: PictureKind, severity: 0 | Severity, frame: Uint8Array, shape: FrameShape, random: Random): Promise<void> {
  if (severity === 0) return;
  const { levels, apply }: Kind = kinds[kind];
  await apply(frame, shape, levels[severity], random);
}

const framesBetween = 16;

/** What happens to pictures: light, lens, sensor, something in the way, and files. */
export function picturePerturbations(wanted: readonly PictureKind[] = pictureKinds): Perturbation<Pictures>[] {
  return wanted.flatMap((kind) =>
    severities.map((severity) => ({
      kind,
      severity,
      words: (kinds[kind] as Kind).words(kinds[kind].levels[severity]),
      apply: async ({ shape, pixels }, { random, signal }) => {
        const changed = pixels.slice();
        const size = frameBytesOf(shape);
        for (let index = 0; index * size < changed.length; index += 1) {
          if (index % framesBetween === 0) await breath();
          throwIfCancelled(signal);
          // A generator for each frame: what happens to one does not hang on how many there are.
          await perturbPicture(kind, severity, changed.subarray(index * size, (index + 1) * size), shape, random.fork(`${index}`));
        }
        return { shape, pixels: changed };
      },
    })),
  );
}
