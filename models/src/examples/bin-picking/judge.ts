import { detectionScoreMin, type Detection } from '@serin/inference/detections';
import { frameChannels, frameHeight, frameWidth } from '@serin/inference/bin-scene/parameters';
import type { Random } from '@serin/inference/random';
import type { Variant } from '@serin/protocol/bundle/manifest';
import type { CalibrationBin } from '@serin/protocol/bundle/report';

import { judgeDetections } from '../../evaluate/detection-schemes.ts';
import { judge, servingOfPairs, type GateJudgement, type GateLimits, type VariantEvidence } from '../../evaluate/gate.ts';
import { compareJudged, measure, valueOn } from '../../evaluate/measure.ts';
import type { Compared, Measured, Robustness } from '../../evaluate/measured.ts';
import { attackPerturbations } from '../../evaluate/robustness/attack.ts';
import { picturePerturbations, type Pictures } from '../../evaluate/robustness/pictures.ts';
import { measureRobustness } from '../../evaluate/robustness/robustness.ts';
import type { Model } from '../../onnx/graph.ts';
import type { Variants } from '../../package/make-variants.ts';
import { throwIfCancelled } from '../../train/cancellation.ts';
import type { Judged } from '../../evaluate/judged.ts';
import type { BinSample } from './data.ts';
import { pairUp, slicesOf, type BinFrames } from './frames.ts';
import { usualLimits } from './gate.ts';
import { batch, binLoss } from './learn.ts';
import { answer, framesTensor } from './predict.ts';
import { reliabilityOf } from './scores.ts';
import { targetsOf } from './targets.ts';

export interface JudgeRequest {
  /** As it was learnt: slopes are taken of it. */
  readonly trained: Model;
  readonly variants: Variants;
  readonly frames: Pick<BinFrames, 'heldOut' | 'disturbed' | 'more'>;
  /** The file now serving. */
  readonly champion?: Uint8Array | undefined;
  readonly random: Random;
  readonly limits?: GateLimits;
}

export interface JudgeOptions {
  readonly threads?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (fraction: number, words: string) => void;
}

export interface JudgedVersion {
  readonly judgement: GateJudgement;
  readonly evidence: readonly VariantEvidence[];
  /** What most devices run: the figures are its. */
  readonly served: Variant;
  readonly measured: Measured;
  readonly compared: Compared | undefined;
  readonly robustness: Robustness;
  readonly bins: readonly CalibrationBin[];
  /** What the served variant sees in the held-out frames. */
  readonly found: readonly (readonly Detection[])[];
  /** What float reaches on the held-out frames. */
  readonly floatMap50: number;
}

/** A training waits for them; intervals of more would hardly be others. */
const repeats = 200;
const main = { metric: 'map50', better: 'higher' } as const;

/** Judges every variant on frames that nothing was chosen by, and the one most devices will run against the version that serves. */
export async function judgeVersion(request: JudgeRequest, options: JudgeOptions = {}): Promise<JudgedVersion> {
  const { variants, frames, champion, random, limits = usualLimits } = request;
  const { threads = 1, signal, onProgress = () => undefined } = options;
  const { heldOut } = frames;
  const all = [...heldOut, ...frames.more];
  const told = new Map<Variant, { found: Detection[][]; judged: Judged }>();
  for (const [place, [variant, bytes]] of [...variants.files].entries()) {
    onProgress((0.3 * place) / variants.files.size, `${variant} on ${all.length} frames`);
    throwIfCancelled(signal);
    const found = await answer(bytes, all, threads);
    told.set(variant, { found, judged: judgeDetections(pairUp(found, all)) });
  }
  const evidence = evidenceOf(variants, new Map([...told].map(([variant, { judged: one }]) => [variant, valueOn(one)])), all.length);
  const { variants: shipped } = judge({ metrics: {}, part: '', main, variants: evidence }, limits);
  const served = shipped.some(({ variant, ships }) => ships && variant === 'u8s8') ? 'u8s8' : 'fp32';
  const found = (told.get(served)?.found ?? []).slice(0, heldOut.length);
  const judgedOf = (answers: readonly (readonly Detection[])[]): Judged => judgeDetections(pairUp(answers, heldOut));

  onProgress(0.3, `${served} on ${heldOut.length} held-out frames`);
  const judged = (frames.more.length === 0 ? told.get(served)?.judged : undefined) ?? judgedOf(found);
  const slices = slicesOf(heldOut);
  const progress = (from: number, share: number) => (fraction: number) => {
    throwIfCancelled(signal);
    onProgress(from + share * fraction, `intervals of ${repeats} resamples`);
  };
  const measured = await measure(judged, { random: random.fork('intervals'), repeats, slices, onProgress: progress(0.3, 0.15) });
  const compared =
    champion === undefined
      ? undefined
      : await compareJudged(judged, judgedOf(await answer(champion, heldOut, threads)), {
          random: random.fork('compared'),
          repeats,
          onProgress: progress(0.45, 0.15),
        });
  const bytes = variants.files.get(served) ?? new Uint8Array();
  const robustness = await disturb(
    { trained: request.trained, bytes, frames: frames.disturbed, random: random.fork('robustness') },
    { threads, signal, onProgress },
  );
  const right = compared?.right ?? undefined;
  const judgement = judge(
    {
      metrics: valuesOf(measured),
      part: `${heldOut.length} held-out frames`,
      main,
      serving: right === undefined ? undefined : servingOfPairs(right, 'frames'),
      robustness,
      variants: evidence,
    },
    limits,
  );
  const bins = reliabilityOf(pairUp(found, heldOut), detectionScoreMin);
  const isHeldOut = Uint8Array.from(all, (_, row) => (row < heldOut.length ? 1 : 0));
  const floatMap50 = told.get('fp32')?.judged.metrics.map50?.(isHeldOut) ?? Number.NaN;
  return { judgement, evidence, served, measured, compared, robustness, bins, found, floatMap50 };
}

export const valuesOf = ({ metrics }: Measured): Record<string, number> =>
  Object.fromEntries(metrics.map(({ name, estimate }) => [name, estimate?.value ?? Number.NaN]));

/** As they were made, float first; each on the same frames. */
function evidenceOf({ made }: Variants, values: ReadonlyMap<Variant, number>, frames: number): VariantEvidence[] {
  const float = values.get('fp32') ?? Number.NaN;
  return made.map(({ variant, bytes, latency, leftOut }) => {
    const value = values.get(variant);
    return {
      variant,
      bytes,
      ...(latency === undefined ? {} : { latency }),
      ...(leftOut === undefined ? {} : { leftOut }),
      ...(variant === 'fp32' || value === undefined ? {} : { loss: { ...main, float, value, examples: frames } }),
    };
  });
}

interface Disturbing {
  readonly trained: Model;
  readonly bytes: Uint8Array;
  readonly frames: readonly BinSample[];
  readonly random: Random;
}

/** A training waits for it. */
const disturbingMsMax = 3000;
const disturbingRepeats = 100;

/** How much worse the served variant gets when something happens to the very same frames. */
async function disturb({ trained, bytes, frames: some, random }: Disturbing, { threads = 1, signal, onProgress }: JudgeOptions): Promise<Robustness> {
  const shape = { width: frameWidth, height: frameHeight, channels: frameChannels };
  const size = frameWidth * frameHeight * frameChannels;
  const targets = (places: readonly number[]) => targetsOf(places.map((place) => some[place]?.parts ?? []));
  return measureRobustness<Pictures>({
    examples: { shape, pixels: framesTensor(some).data },
    judge: async ({ pixels }) => {
      const changed = some.map(({ parts }, index) => ({ parts, pixels: pixels.subarray(index * size, (index + 1) * size) }));
      return judgeDetections(pairUp(await answer(bytes, changed, threads), changed));
    },
    perturbations: [...picturePerturbations(), ...attackPerturbations({ model: trained, loss: binLoss, batch, targets, threads })],
    random,
    repeats: disturbingRepeats,
    signal,
    timeMsMax: disturbingMsMax,
    onProgress: (fraction, words) => onProgress?.(0.6 + 0.4 * fraction, `robustness: ${words}`),
  });
}
