import type { FrameShape } from '@serin/inference/image-statistics';
import type { Random } from '@serin/inference/random';
import { SerinError } from '@serin/protocol/errors';

import { addNoise, applyTone, blur, occlude } from './photometry.ts';
import { compose, identity, isIdentity, liesWithin, place, type Affine, type Placed } from './placement.ts';
import { warp, type Border } from './warp.ts';

/** What may happen to a frame, as data. What is left out does not happen. */
export interface AugmentSettings {
  /** Mirrored with a chance of one half, along each axis named. */
  readonly flip?: 'none' | 'horizontal' | 'vertical' | 'both';
  /** One of the four right angles, each as likely; square frames only. */
  readonly quarterTurns?: boolean;
  /** Turned about the centre by up to this, either way. */
  readonly rotateDeg?: number;
  /** Enlarged about the centre by a factor in this range. */
  readonly scale?: readonly [low: number, high: number];
  /** Moved by up to this share of each side. */
  readonly shift?: number;
  /** What shows where the frame has moved away: a grey level, `edge` (the default) or `reflect`. */
  readonly border?: Border;
  /** Brighter or darker by up to this share. */
  readonly brightness?: number;
  readonly contrast?: number;
  /** Exponent in this range. */
  readonly gamma?: readonly [low: number, high: number];
  /** Red stronger and blue weaker by up to this share, or the other way round; frames of three channels. */
  readonly warmth?: number;
  /** Factors by channel, the same in every frame: how the light where it is used differs. */
  readonly gains?: readonly number[];
  /** Gaussian blur of a deviation in this range, in pixels. */
  readonly blur?: readonly [low: number, high: number];
  /** Normal noise of a deviation up to this, in grey levels. */
  readonly noise?: number;
  /** Up to `count` rectangles of up to `size` of each side are covered. */
  readonly occlusion?: { readonly count: number; readonly size: number };
}

export interface Picture<Item extends Placed = Placed> {
  readonly pixels: Uint8Array;
  readonly objects: readonly Item[];
}

/**
 * Changes a frame; the frame given is left as it is. Objects move along, and those whose centre has left the frame
 * are gone. The same seed changes it the same way. `out`, when given, receives the pixels.
 */
export type Augment = <Item extends Placed>(picture: Picture<Item>, shape: FrameShape, random: Random, out?: Uint8Array) => Picture<Item>;

interface Range {
  readonly kind: 'number' | 'range' | 'whole';
  readonly low: number;
  readonly high: number;
}

const numbers: Readonly<Record<string, Range>> = {
  rotateDeg: { kind: 'number', low: 0, high: 180 },
  scale: { kind: 'range', low: 0.1, high: 10 },
  shift: { kind: 'number', low: 0, high: 1 },
  brightness: { kind: 'number', low: 0, high: 1 },
  contrast: { kind: 'number', low: 0, high: 1 },
  gamma: { kind: 'range', low: 0.1, high: 10 },
  warmth: { kind: 'number', low: 0, high: 1 },
  blur: { kind: 'range', low: 0, high: 10 },
  noise: { kind: 'number', low: 0, high: 128 },
  'occlusion.count': { kind: 'whole', low: 0, high: 32 },
  'occlusion.size': { kind: 'number', low: 0, high: 1 },
};
const choices: Readonly<Record<string, readonly unknown[]>> = { flip: ['none', 'horizontal', 'vertical', 'both'], quarterTurns: [true, false] };
const known = [...Object.keys(numbers).filter((key) => !key.includes('.')), ...Object.keys(choices), 'border', 'gains', 'occlusion'];

const isWithin = (value: unknown, low: number, high: number): value is number =>
  typeof value === 'number' && Number.isFinite(value) && value >= low && value <= high;

function numberFault(key: string, value: unknown): string | undefined {
  const { kind, low, high } = numbers[key] as Range;
  if (kind === 'range') {
    const [least, most, ...rest]: unknown[] = Array.isArray(value) ? value : [];
    const ordered = isWithin(least, low, high) && isWithin(most, least, high) && rest.length === 0;
    return ordered ? undefined : `${key} is ${JSON.stringify(value)}; it must be [low, high] between ${low} and ${high}`;
  }
  if (isWithin(value, low, high) && (kind !== 'whole' || Number.isInteger(value))) return undefined;
  return `${key} is ${JSON.stringify(value)}; it must be a ${kind === 'whole' ? 'whole ' : ''}number from ${low} to ${high}`;
}

function settingFault(key: string, value: unknown): (string | undefined)[] {
  if (!known.includes(key)) return [`${key} is not a setting; there are ${known.join(', ')}`];
  if (value === undefined) return [];
  if (numbers[key] !== undefined) return [numberFault(key, value)];
  const allowed = choices[key];
  if (allowed !== undefined) return [allowed.includes(value) ? undefined : `${key} is ${JSON.stringify(value)}; it must be one of ${allowed.join(', ')}`];
  if (key === 'border') {
    const valid = value === 'edge' || value === 'reflect' || (Number.isInteger(value) && isWithin(value, 0, 255));
    return [valid ? undefined : `border is ${JSON.stringify(value)}; it must be edge, reflect or a grey level from 0 to 255`];
  }
  if (key === 'gains') {
    const valid = Array.isArray(value) && value.length > 0 && value.every((gain) => isWithin(gain, 0, 10));
    return [valid ? undefined : `gains is ${JSON.stringify(value)}; it must be numbers from 0 to 10, one a channel`];
  }
  const { count, size, ...rest } = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const unknown = Object.keys(rest).map((name) => `occlusion.${name} is not a setting; there are count, size`);
  return [numberFault('occlusion.count', count), numberFault('occlusion.size', size), ...unknown];
}

function checkSettings(settings: AugmentSettings): void {
  const faults = Object.entries(settings)
    .flatMap(([key, value]) => settingFault(key, value))
    .filter((fault) => fault !== undefined);
  if (faults.length > 0) throw new SerinError('CONFIG_INVALID', { detail: `augmentation: ${faults.join('; ')}` });
}

/** Draws all its numbers whatever is set, so that turning one setting on leaves the others' draws as they were. */
function drawMotion(settings: AugmentSettings, { width, height }: FrameShape, random: Random): Affine {
  const { flip = 'none', quarterTurns = false, rotateDeg = 0, scale = [1, 1], shift = 0 } = settings;
  const flips = random.bits();
  const degrees = (quarterTurns ? 90 * (flips & 3) : 0) + random.between(-rotateDeg, rotateDeg);
  const factor = random.between(scale[0], scale[1]);
  const moveX = random.between(-shift, shift) * width;
  const moveY = random.between(-shift, shift) * height;
  const mirrorX = (flip === 'horizontal' || flip === 'both') && (flips & 4) !== 0 ? -1 : 1;
  const mirrorY = (flip === 'vertical' || flip === 'both') && (flips & 8) !== 0 ? -1 : 1;
  // A cosine of 6e-17 would blend two pixels where one is meant.
  const right = degrees % 90 === 0;
  const cos = factor * (right ? Math.round(Math.cos((degrees * Math.PI) / 180)) : Math.cos((degrees * Math.PI) / 180));
  const sin = factor * (right ? Math.round(Math.sin((degrees * Math.PI) / 180)) : Math.sin((degrees * Math.PI) / 180));
  const toMiddle: Affine = { ...identity, c: -width / 2, f: -height / 2 };
  const turned = compose(toMiddle, { a: cos * mirrorX, b: -sin * mirrorY, c: 0, d: sin * mirrorX, e: cos * mirrorY, f: 0 });
  return compose(turned, { ...identity, c: width / 2 + moveX, f: height / 2 + moveY });
}

function changeLight(settings: AugmentSettings, pixels: Uint8Array, shape: FrameShape, random: Random, scratch: () => Uint16Array): void {
  const { brightness = 0, contrast = 0, gamma = [1, 1], warmth = 0, gains = [], noise = 0, occlusion = { count: 0, size: 0 } } = settings;
  const around = (share: number): number => 1 + random.between(-share, share);
  const [bright, stretch, power] = [around(brightness), around(contrast), random.between(gamma[0], gamma[1])];
  const warm = random.between(-warmth, warmth);
  const sigma = random.between(...(settings.blur ?? [0, 0]));
  const deviation = random.between(0, noise);
  const rectangles = random.integer(occlusion.count + 1);
  const cast = warmth === 0 ? gains : [(gains[0] ?? 1) * (1 + warm), gains[1] ?? 1, (gains[2] ?? 1) * (1 - warm)];

  applyTone(pixels, shape.channels, { brightness: bright, contrast: stretch, gamma: power, gains: cast });
  occlude(pixels, shape, rectangles, occlusion.size, random.fork('occlusion'));
  if (sigma > 0) blur(pixels, shape, sigma, scratch());
  addNoise(pixels, deviation, random.fork('noise'));
}

/** The changes the settings allow, as a function; wrong settings are refused at once. */
export function augment(settings: AugmentSettings): Augment {
  checkSettings(settings);
  let scratch = new Uint16Array(0);

  return ({ pixels, objects }, shape, random, out = new Uint8Array(pixels.length)) => {
    const size = shape.width * shape.height * shape.channels;
    if (pixels.length !== size || out.length !== size) {
      throw new RangeError(`a frame of ${shape.width}x${shape.height}x${shape.channels} has ${size} bytes, not ${pixels.length} or ${out.length}`);
    }
    if (settings.quarterTurns === true && shape.width !== shape.height) {
      throw new SerinError('CONFIG_INVALID', { detail: `augmentation: quarterTurns needs square frames, not ${shape.width}x${shape.height}` });
    }
    const motion = drawMotion(settings, shape, random);
    warp(pixels, shape, motion, settings.border ?? 'edge', out);
    changeLight(settings, out, shape, random, () => (scratch = scratch.length === size ? scratch : new Uint16Array(size)));
    const moved = isIdentity(motion) ? objects : objects.map((object) => place(motion, object)).filter((object) => liesWithin(object, shape));
    return { pixels: out, objects: moved };
  };
}
