import { seededRandom } from '@serin/inference/random';
import type { Variant } from '@serin/protocol/bundle/manifest';
import { reportPath } from '@serin/protocol/bundle/report';

import type { GateJudgement } from '../../evaluate/gate.ts';
import type { Model } from '../../onnx/graph.ts';
import { readModel } from '../../onnx/model-file.ts';
import type { Variants } from '../../package/make-variants.ts';
import { jsonBytes, type TrainedVersion } from '../../package/version.ts';
import { throwIfCancelled } from '../../train/cancellation.ts';
import type { TrainOptions } from '../../train/train.ts';
import { countParameters, weightDigest } from '../../train/weights.ts';
import type { BinSample, LightChoice } from './data.ts';
import { collectFrames, pairUp, usualCounts, type BinFrames, type Counts } from './frames.ts';
import { judgeVersion, valuesOf, type JudgedVersion } from './judge.ts';
import { learn } from './learn.ts';
import { createNetwork } from './network.ts';
import { packVersion } from './pack.ts';
import { answer } from './predict.ts';
import { reportOf } from './report.ts';
import { startFrom } from './start.ts';
import { openStarter } from './starter.ts';
import { deploy } from './variants.ts';

export interface BinPickingRequest {
  /** The model it becomes a version of, for its report. */
  readonly model?: string;
  readonly seed: number;
  /** Freshly rendered frames of one pass. */
  readonly baseFrames: number;
  readonly epochs: number;
  /** The light of the rendered frames: one, or `any` of those that shall be learnt. */
  readonly light: LightChoice;
  /** Frames in a telemetry window: the profile's null windows have this many. */
  readonly framesPerWindow: number;
  /**
   * Labelled frames from devices, newest last. They should be a random draw of what the cameras see: the
   * reference profile is made from them.
   */
  readonly samples?: readonly BinSample[];
  readonly counts?: Counts;
  /** The ONNX file now serving, to be compared with. */
  readonly champion?: Uint8Array;
  /**
   * What training begins with: the starter that comes with this example, or an ONNX file of this network, float or
   * quantised, such as the champion. Without it, from scratch.
   */
  readonly start?: 'starter' | Uint8Array;
}

export interface TrainingProgress {
  readonly stage: 'data' | 'train' | 'quantise' | 'evaluate' | 'package';
  /** Of the whole training, 0 to 1. */
  readonly fraction: number;
  readonly message: string;
  readonly metrics?: Record<string, number>;
}

export interface TrainingOptions extends Pick<TrainOptions, 'checkpoint'> {
  readonly onProgress?: (progress: TrainingProgress) => void;
  /** Lines for the log. */
  readonly onNote?: (line: string) => void;
  readonly signal?: AbortSignal;
  readonly threads?: number;
  readonly now?: () => number;
}

/** Trains, quantises, judges and packages one version of the bin picker's model. */
export async function trainBinPicking(request: BinPickingRequest, options: TrainingOptions = {}): Promise<TrainedVersion> {
  const { threads = 1 } = options;
  const report = (progress: TrainingProgress): void => {
    throwIfCancelled(options.signal);
    options.onProgress?.(progress);
  };
  const random = seededRandom(request.seed);

  report({ stage: 'data', fraction: 0, message: 'rendering frames to judge by' });
  const frames = await collectFrames(request, random);
  report({ stage: 'train', fraction: 0.05, message: `training on ${request.epochs} x ${request.baseFrames} rendered frames` });
  const { signal, now } = options;
  let isFirst = true;
  const trained = await learn({
    model: await firstWeights(request),
    fresh: request.start === undefined,
    data: frames.source,
    epochs: request.epochs,
    seed: request.seed,
    threads,
    signal,
    ...(now === undefined ? {} : { now }),
    ...(options.checkpoint === undefined ? {} : { checkpoint: options.checkpoint }),
    onProgress: ({ step, steps, values, examplesPerSecond, remainingSeconds }) => {
      if (isFirst && step > 1) options.onNote?.(`goes on from the checkpoint of step ${step - 1}`);
      isFirst = false;
      report({
        stage: 'train',
        fraction: 0.05 + (0.7 * step) / steps,
        message: `step ${step} of ${steps}, ${Math.ceil(remainingSeconds)} s left`,
        metrics: { ...values, examplesPerSecond },
      });
    },
  });

  const part = (stage: TrainingProgress['stage'], from: number, share: number) => (fraction: number | null, message: string) =>
    report({ stage, fraction: from + share * (fraction ?? 0), message });
  report({ stage: 'quantise', fraction: 0.75, message: 'making variants' });
  const deployed = await deploy(
    { model: trained, ...frames, seed: request.seed, queries: (request.counts ?? usualCounts).queries },
    { threads, signal, onNote: options.onNote ?? (() => undefined), onProgress: forwards(part('quantise', 0.75, 0.1)) },
  );
  report({ stage: 'evaluate', fraction: 0.85, message: `judging on ${frames.heldOut.length} held-out frames` });
  const judged = await judgeVersion(
    { trained, variants: deployed.variants, frames, champion: request.champion, random: random.fork('judge') },
    { threads, signal, onProgress: part('evaluate', 0.85, 0.08) },
  );
  const { judgement, found } = judged;
  for (const { ships, words } of judgement.variants) if (!ships) options.onNote?.(words);
  const metrics = metricsOf(judged, frames);
  report({ stage: 'package', fraction: 0.93, message: judgement.verdict.passed ? 'passed its gate' : 'did not pass its gate', metrics });

  const variants = shippedFiles(deployed.variants, judgement.variants);
  const unlearnt = await answer(variants.get(judged.served) ?? new Uint8Array(), frames.unlearnt, threads);
  const version = await packVersion({
    variants,
    reference: {
      images: frames.reference,
      answers: [...pairUp(found, frames.heldOut), ...pairUp(unlearnt, frames.unlearnt)],
      temperature: deployed.scores?.temperature ?? 1,
      origin: frames.origin,
    },
    framesPerWindow: request.framesPerWindow,
    random: random.fork('package'),
  });
  const [digest, parameters] = [await weightDigest(trained), countParameters(trained)];
  const told = reportOf({ request, frames, deployed, judged, parameters, weightDigest: digest, threads });
  throwIfCancelled(signal);
  const files = [...version.files, { role: 'report' as const, path: reportPath, bytes: jsonBytes(told) }];
  return { ...version, files, metrics, gate: judgement.verdict, weightDigest: digest, parameters };
}

/** Each variant begins anew; what is shown never goes back. */
function forwards(onProgress: (fraction: number, words: string) => void): (fraction: number | null, words: string) => void {
  let reached = 0;
  return (fraction, words) => onProgress((reached = Math.max(reached, fraction ?? 0)), words);
}

/** What most devices take comes first. */
function shippedFiles({ files }: Variants, judged: GateJudgement['variants']): ReadonlyMap<Variant, Uint8Array> {
  const shipped = [...files].filter(([variant]) => judged.some((one) => one.ships && one.variant === variant));
  return new Map(shipped.toSorted(([one], [other]) => Number(one === 'fp32') - Number(other === 'fp32')));
}

function metricsOf({ measured, compared, floatMap50 }: JudgedVersion, { heldOut }: BinFrames): Record<string, number> {
  const right = compared?.right ?? undefined;
  const championOf = (name: string): number => compared?.metrics.find((metric) => metric.name === name)?.champion ?? Number.NaN;
  return {
    ...valuesOf(measured),
    heldOutFrames: heldOut.length,
    heldOutParts: heldOut.reduce((sum, { parts }) => sum + parts.length, 0),
    map50Fp32: floatMap50,
    ...(compared === undefined ? {} : { championFramesRight: championOf('framesRight'), championMap50: championOf('map50') }),
    ...(right === undefined ? {} : { championDifference: right.difference, championDifferenceLow: right.interval[0] }),
  };
}

async function firstWeights({ seed, start }: BinPickingRequest): Promise<Model> {
  const fresh = createNetwork(seed);
  if (start === undefined) return fresh;
  return startFrom(fresh, start === 'starter' ? await openStarter() : readModel(start));
}
