import { frameBytes, frameChannels, frameHeight, frameWidth, learntLights, type Light } from '@serin/inference/bin-scene/parameters';
import { renderBin } from '@serin/inference/bin-scene/render';
import type { Part } from '@serin/inference/detections';
import type { Random } from '@serin/inference/random';
import { sha256 } from '@serin/protocol/digest';
import { SerinError } from '@serin/protocol/errors';

import { augment } from '../../data/augmentation.ts';
import type { BatchSource } from '../../data/batch-source.ts';
import { addNoise, applyTone } from '../../data/photometry.ts';
import { frameInput, kinds } from './network.ts';
import { targetsOf } from './targets.ts';

/** A frame and what lies in it, rendered or from a device. */
export interface BinSample {
  readonly pixels: Uint8Array;
  readonly parts: readonly Part[];
}

/** One light, or any of those that parameters.ts says are learnt. */
export type LightChoice = Light | 'any';

/** Levels are drawn evenly by ratio: half as bright is as far from the design as twice. */
export function drawLight(random: Random, choice: LightChoice): Light {
  if (choice !== 'any') return choice;
  const { level, warmth, noise } = learntLights;
  return {
    level: Math.exp(random.between(Math.log(level[0]), Math.log(level[1]))),
    warmth: random.between(warmth[0], warmth[1]),
    noise: random.between(noise[0], noise[1]),
  };
}

export function renderBins(random: Random, light: LightChoice, count: number): BinSample[] {
  return Array.from({ length: count }, () => renderBin(random, drawLight(random, light)));
}

/** What batches are made of; plain data, because another thread makes them. */
export interface BinSourceOptions {
  /** Rendered frames of a pass; every pass renders others. */
  readonly rendered: number;
  readonly light: LightChoice;
  readonly samples?: readonly BinSample[];
  /** How often a pass shows each sample. */
  readonly sampleRepeats?: number;
  /** Factors by channel that lead from the light of rendered frames to that of the samples. */
  readonly gains?: readonly number[];
}

const shape = { width: frameWidth, height: frameHeight, channels: frameChannels };
/** A bin has no upright, and every part is its own mirror image. */
const anyPose = augment({ quarterTurns: true, flip: 'horizontal' });
const relitShare = 0.75;
/** What a frame lacks that was darkened after its noise was added. */
const relitNoise = 2.5;

/** Draws the example into `out` and says what lies in it. */
function drawExample(options: BinSourceOptions, example: number, random: Random, out: Uint8Array): readonly Part[] {
  const { rendered, light, samples = [], gains } = options;
  if (example >= rendered) {
    const { pixels, parts } = samples[(example - rendered) % samples.length] as BinSample;
    return anyPose({ pixels, objects: parts }, shape, random, out).objects;
  }
  const { parts } = renderBin(random, drawLight(random, light), out);
  if (gains !== undefined && random.uniform() < relitShare) {
    const strength = random.between(0, 1.1);
    applyTone(out, frameChannels, { brightness: 1, contrast: 1, gamma: 1, gains: gains.map((gain) => gain ** strength) });
    addNoise(out, relitNoise, random.fork('relit'));
  }
  return parts;
}

/** Batches of freshly rendered bins, and of samples if there are any. */
export function binSource(options: BinSourceOptions): BatchSource {
  const { rendered, samples = [], sampleRepeats = 1 } = options;
  return {
    examples: rendered + samples.length * sampleRepeats,
    fill: (indices, random) => {
      const count = indices.length;
      const pixels = new Uint8Array(count * frameBytes);
      const parts = Array.from(indices, (example, at) =>
        drawExample(options, example, random.fork(`${at}`), pixels.subarray(at * frameBytes, (at + 1) * frameBytes)),
      );
      return {
        feeds: { [frameInput]: { type: 'uint8', dims: [count, frameHeight, frameWidth, frameChannels], data: pixels } },
        targets: targetsOf(parts),
      };
    },
  };
}

/** For the thread that prepares batches. */
export const createSource = (options: BinSourceOptions): BatchSource => binSource(options);

/** Factors by which one set of frames is brighter than another, a channel. */
export function channelGains(from: readonly BinSample[], to: readonly BinSample[]): number[] {
  const means = (samples: readonly BinSample[]): number[] => {
    const sums = Array.from({ length: frameChannels }, () => 0);
    for (const { pixels } of samples) pixels.forEach((value, at) => (sums[at % frameChannels] = (sums[at % frameChannels] ?? 0) + value));
    return sums.map((sum) => (sum * frameChannels) / Math.max(1, samples.length * frameBytes));
  };
  const base = means(from);
  return means(to).map((mean, channel) => Math.min(10, Math.max(0.02, mean / Math.max(1, base[channel] ?? 1))));
}

export interface SampleSplit {
  readonly train: BinSample[];
  readonly heldOut: BinSample[];
}

/**
 * Splits by the digest of the pixels, so an example stays on its side in every later training, and equal frames
 * cannot lie on both. Of equal frames the last one counts, being the newest.
 */
export async function splitSamples(samples: readonly BinSample[], heldOutShare: number): Promise<SampleSplit> {
  const byDigest = new Map<string, BinSample>();
  for (const [index, sample] of samples.entries()) {
    checkSample(sample, index);
    byDigest.set(await sha256(sample.pixels), sample);
  }
  const split: SampleSplit = { train: [], heldOut: [] };
  for (const [digest, sample] of byDigest) {
    const place = Number.parseInt(digest.slice(0, 8), 16) / 2 ** 32;
    (place < heldOutShare ? split.heldOut : split.train).push(sample);
  }
  return split;
}

function checkSample({ pixels, parts }: BinSample, index: number): void {
  const refuse = (detail: string): never => {
    throw new SerinError('TRAINING_DATA_INVALID', { detail: `sample ${index} ${detail}` });
  };
  if (pixels.length !== frameBytes) refuse(`has ${pixels.length} bytes, a frame has ${frameBytes}`);
  for (const { label, x, y, angle } of parts) {
    if (!Number.isInteger(label) || label < 0 || label >= kinds) refuse(`has a part with label ${label}, labels are 0 to ${kinds - 1}`);
    if (!(x >= 0 && x < frameWidth && y >= 0 && y < frameHeight)) refuse(`has a part at ${x}, ${y}, outside its frame`);
    if (!Number.isFinite(angle)) refuse('has a part whose angle is not a number');
  }
}
