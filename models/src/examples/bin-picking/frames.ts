import { frameChannels, frameHeight, frameWidth } from '@serin/inference/bin-scene/parameters';
import type { Detection } from '@serin/inference/detections';
import { measureImage } from '@serin/inference/image-statistics';
import type { Random } from '@serin/inference/random';
import { SerinError } from '@serin/protocol/errors';

import type { DetectedFrame } from '../../evaluate/detection-schemes.ts';
import type { Slice } from '../../evaluate/slices.ts';
import { channelGains, renderBins, splitSamples, type BinSample, type BinSourceOptions, type LightChoice } from './data.ts';

/** Rendered frames that a version is chosen, judged and described by, fewer where devices sent some; and how often each variant is asked for the time it takes. */
export interface Counts {
  readonly heldOut: number;
  readonly unseen: number;
  readonly reference: number;
  /** Of the held-out ones. */
  readonly disturbed: number;
  readonly queries: number;
}

/** The 99th percentile of a time takes 299. */
export const usualCounts: Counts = { heldOut: 300, unseen: 128, reference: 300, disturbed: 48, queries: 300 };

export interface FramesRequest {
  readonly light: LightChoice;
  readonly baseFrames: number;
  readonly samples?: readonly BinSample[];
  readonly counts?: Counts;
}

/** Which frames serve what. */
export interface BinFrames {
  readonly source: BinSourceOptions;
  /** What ranges are learnt from. */
  readonly calibration: readonly BinSample[];
  /** Rendered ones that no weight has looked at: how sure scores are. */
  readonly unseen: readonly BinSample[];
  /** By which layers are chosen that stay in float. */
  readonly choosing: readonly BinSample[];
  /** All figures are of these, and nothing was chosen by them. */
  readonly heldOut: readonly BinSample[];
  /** Those of them that things happen to. */
  readonly disturbed: readonly BinSample[];
  /** Rendered ones that show beside them what a variant loses, where dozens could not tell thousandths. */
  readonly more: readonly BinSample[];
  /** What image statistics are measured on. */
  readonly reference: readonly BinSample[];
  /** What confidence is measured on beside the held-out ones: as them, no weight has looked at it. */
  readonly unlearnt: readonly BinSample[];
  readonly origin: string;
}

/** With those of devices about as many as are held out otherwise. */
const moreShare = 0.8;
const calibrationFrames = 64;
const gainFrames = 100;
const heldOutShare = 0.3;
const heldOutMin = 20;
/** Samples are shown several times a pass, to weigh about as much as half of the rendered frames. */
const sampleRepeatsMax = 12;

export async function collectFrames({ light, baseFrames, samples = [], counts = usualCounts }: FramesRequest, random: Random): Promise<BinFrames> {
  const rendered = (name: string, count: number): BinSample[] => renderBins(random.fork(name), light, count);
  const [calibration, unseen] = [rendered('calibration', calibrationFrames), rendered('unseen', counts.unseen)];
  if (samples.length === 0) {
    const heldOut = rendered('held out', counts.heldOut);
    // No weight has looked at held-out frames either, so they serve as reference as well.
    const unlearnt = rendered('reference', counts.reference);
    const reference = [...heldOut, ...unlearnt];
    return {
      source: { rendered: baseFrames, light },
      calibration,
      unseen,
      choosing: unseen,
      heldOut,
      disturbed: heldOut.slice(0, counts.disturbed),
      more: [],
      reference,
      unlearnt,
      origin: `${reference.length} rendered frames under the light of the training`,
    };
  }

  const { train: learnt, heldOut } = await splitSamples(samples, heldOutShare);
  if (heldOut.length < heldOutMin || learnt.length < heldOutMin) {
    throw new SerinError('TRAINING_DATA_INSUFFICIENT', {
      detail: `${learnt.length} different samples to learn from and ${heldOut.length} to judge by; at least ${heldOutMin} of each are needed`,
    });
  }
  const reference = [...learnt, ...heldOut];
  return {
    source: {
      rendered: baseFrames,
      light,
      samples: learnt,
      sampleRepeats: Math.max(1, Math.min(sampleRepeatsMax, Math.round(baseFrames / 2 / learnt.length))),
      gains: channelGains(renderBins(random.fork('gains'), light, gainFrames), learnt),
    },
    calibration: [...calibration.slice(0, calibrationFrames / 2), ...learnt.slice(0, calibrationFrames / 2)],
    unseen,
    choosing: [...unseen.slice(0, counts.unseen / 2), ...learnt.slice(0, counts.unseen / 2)],
    heldOut,
    disturbed: heldOut.slice(0, counts.disturbed),
    more: rendered('more', Math.round(moreShare * counts.heldOut)),
    reference,
    // On learnt frames confidence would be too high.
    unlearnt: [],
    origin: `${reference.length} frames from devices, confidence on the ${heldOut.length} held out`,
  };
}

export const pairUp = (found: readonly (readonly Detection[])[], samples: readonly BinSample[]): DetectedFrame[] =>
  samples.map(({ parts }, index) => ({ parts, detections: found[index] ?? [] }));

const partSteps = [
  { value: 'up to 8', most: 8 },
  { value: '9 to 14', most: 14 },
  { value: '15 and more', most: Infinity },
] as const;
const lightNames = ['darkest third', 'middle third', 'brightest third'] as const;

/** By how full the bin is, and by the light on it. */
export function slicesOf(samples: readonly BinSample[]): Slice[] {
  const rowsWhere = (isIn: (sample: BinSample, row: number) => boolean): Uint32Array =>
    Uint32Array.from(samples.flatMap((sample, row) => (isIn(sample, row) ? [row] : [])));
  const measured = { brightness: 0, contrast: 0, sharpness: 0 };
  const shape = { width: frameWidth, height: frameHeight, channels: frameChannels };
  const brightness = samples.map(({ pixels }) => measureImage(pixels, shape, measured).brightness);
  const rank = new Map(
    brightness
      .map((_, row) => row)
      .toSorted((one, other) => (brightness[one] ?? 0) - (brightness[other] ?? 0))
      .map((row, place) => [row, place]),
  );
  const thirdOf = (row: number): number => Math.floor((lightNames.length * (rank.get(row) ?? 0)) / samples.length);
  return [
    ...partSteps.map(({ value, most }, step) => ({
      column: 'parts',
      value,
      rows: rowsWhere(({ parts }) => parts.length <= most && parts.length > (partSteps[step - 1]?.most ?? -1)),
    })),
    ...lightNames.map((value, third) => ({ column: 'light', value, rows: rowsWhere((_, row) => thirdOf(row) === third) })),
  ];
}
