import { seededRandom, type Random } from '@serin/inference/random';
import { reportPath } from '@serin/protocol/bundle/report';
import { SerinError } from '@serin/protocol/errors';

import type { DetectionEvaluation } from '../../evaluate/detection.ts';
import type { Model } from '../../onnx/graph.ts';
import { readModel, writeModel } from '../../onnx/model-file.ts';
import { openSession, type Session } from '../../onnx/session.ts';
import { jsonBytes, type TrainedVersion } from '../../package/version.ts';
import { quantise } from '../../quantise/quantise.ts';
import { throwIfCancelled } from '../../train/cancellation.ts';
import type { TrainOptions } from '../../train/train.ts';
import { countParameters, weightDigest } from '../../train/weights.ts';
import { channelGains, renderBins, splitSamples, type BinSample, type BinSourceOptions, type LightChoice } from './data.ts';
import { judgeDetector } from './gate.ts';
import { learn } from './learn.ts';
import { createNetwork, frameInput } from './network.ts';
import { packVersion, type ReferenceFrames } from './pack.ts';
import { withPeakPicking } from './peaks.ts';
import { framesTensor, judgeModel } from './predict.ts';
import { detectorReport } from './report.ts';
import { startFrom } from './start.ts';
import { openStarter } from './starter.ts';

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

const heldOutFrames = 300;
/** No weight has looked at held-out frames either, so they serve as reference as well. */
const moreReferenceFrames = 300;
const calibrationFrames = 64;
const gainFrames = 100;
const heldOutShare = 0.3;
const heldOutMin = 20;
/** Samples are shown several times a pass, to weigh about as much as half of the rendered frames. */
const sampleRepeatsMax = 12;

/** Trains, quantises, judges and packages one version of the bin picker's model. */
export async function trainBinPicking(request: BinPickingRequest, options: TrainingOptions = {}): Promise<TrainedVersion> {
  const { threads = 1 } = options;
  const report = (progress: TrainingProgress): void => {
    throwIfCancelled(options.signal);
    options.onProgress?.(progress);
  };
  const random = seededRandom(request.seed);

  report({ stage: 'data', fraction: 0, message: 'rendering frames to judge by' });
  const data = await collectData(request, random);
  report({ stage: 'train', fraction: 0.05, message: `training on ${request.epochs} x ${request.baseFrames} rendered frames` });
  const { signal, now } = options;
  let isFirst = true;
  const model = await learn({
    model: await firstWeights(request),
    fresh: request.start === undefined,
    data: data.source,
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
        fraction: 0.05 + (0.75 * step) / steps,
        message: `step ${step} of ${steps}, ${Math.ceil(remainingSeconds)} s left`,
        metrics: { ...values, examplesPerSecond },
      });
    },
  });

  report({ stage: 'quantise', fraction: 0.8, message: 'measuring ranges and writing 8-bit weights' });
  const { model: quantised, report: quantising } = await quantise(model, { batches: [{ [frameInput]: framesTensor(data.calibration) }], threads, signal });
  const fp32 = writeModel(withPeakPicking(model));
  const u8s8 = writeModel(withPeakPicking(quantised));

  const sessions: Session[] = [];
  const open = async (bytes: Uint8Array): Promise<Session> => {
    const session = await openSession(bytes, { threads });
    sessions.push(session);
    return session;
  };
  try {
    report({ stage: 'evaluate', fraction: 0.85, message: `judging on ${data.heldOut.length} held-out frames` });
    const [floatSession, byteSession] = [await open(fp32), await open(u8s8)];
    const float = await judgeModel(floatSession, data.heldOut);
    const bytes = await judgeModel(byteSession, data.heldOut);
    const champion = request.champion === undefined ? undefined : await judgeModel(await open(request.champion), data.heldOut);
    const judgement = judgeDetector({ float, quantised: bytes, champion, modelBytes: fp32.length });
    const { verdict: gate, served, comparison } = judgement;
    const metrics: Record<string, number> = {
      ...metricsOf(served === 'u8s8' ? bytes : float),
      map50Fp32: float.map50,
      ...(champion === undefined ? {} : { championFramesRight: champion.rightShare, championMap50: champion.map50 }),
      ...(comparison === undefined ? {} : { championDifference: comparison.difference, championDifferenceLow: comparison.interval[0] }),
    };
    report({ stage: 'package', fraction: 0.92, message: gate.passed ? 'passed its gate' : 'did not pass its gate', metrics });

    const version = await packVersion({
      variants: [
        ...(served === 'u8s8' ? [{ variant: served, bytes: u8s8, session: byteSession }] : []),
        { variant: 'fp32', bytes: fp32, session: floatSession },
      ],
      reference: data.reference,
      framesPerWindow: request.framesPerWindow,
      random: random.fork('package'),
    });
    throwIfCancelled(options.signal);
    const [digest, parameters] = [await weightDigest(model), countParameters(model)];
    const { epochs, baseFrames, light, samples = [] } = request;
    const told = detectorReport({
      model: request.model ?? 'picker',
      frames: { rendered: baseFrames * epochs, fromDevices: samples.length, heldOut: data.heldOut.length },
      settings: {
        epochs,
        framesOfAPass: baseFrames,
        light: light === 'any' ? 'any' : 'one',
        begun: request.start === undefined ? 'from scratch' : 'from weights',
      },
      seed: request.seed,
      weights: parameters,
      weightDigest: digest,
      float,
      quantised: bytes,
      champion,
      judgement,
      bytes: { fp32: fp32.length, u8s8: u8s8.length },
      quantising,
      threads,
    });
    const files = [...version.files, { role: 'report' as const, path: reportPath, bytes: jsonBytes(told) }];
    return { ...version, files, metrics, gate, weightDigest: digest, parameters };
  } finally {
    for (const session of sessions) void session.release();
  }
}

const metricsOf = ({ map50, recall, rightShare, centreError, angleError, frames, parts }: DetectionEvaluation): Record<string, number> => ({
  map50,
  recall,
  framesRight: rightShare,
  centreErrorPx: centreError.median,
  centreErrorPxP90: centreError.p90,
  angleErrorDeg: angleError.median,
  angleErrorDegP90: angleError.p90,
  heldOutFrames: frames,
  heldOutParts: parts,
});

interface Data {
  readonly source: BinSourceOptions;
  readonly heldOut: readonly BinSample[];
  readonly calibration: readonly BinSample[];
  readonly reference: ReferenceFrames;
}

async function collectData({ light, baseFrames, samples = [] }: BinPickingRequest, random: Random): Promise<Data> {
  const calibration = renderBins(random.fork('calibration'), light, calibrationFrames);
  if (samples.length === 0) {
    const heldOut = renderBins(random.fork('held out'), light, heldOutFrames);
    const reference = [...heldOut, ...renderBins(random.fork('reference'), light, moreReferenceFrames)];
    return {
      source: { rendered: baseFrames, light },
      heldOut,
      calibration,
      reference: { images: reference, answers: reference, origin: `${reference.length} rendered frames under the light of the training` },
    };
  }

  const { train: learnt, heldOut } = await splitSamples(samples, heldOutShare);
  if (heldOut.length < heldOutMin || learnt.length < heldOutMin) {
    throw new SerinError('TRAINING_DATA_INSUFFICIENT', {
      detail: `${learnt.length} different samples to learn from and ${heldOut.length} to judge by; at least ${heldOutMin} of each are needed`,
    });
  }
  const all = [...learnt, ...heldOut];
  return {
    source: {
      rendered: baseFrames,
      light,
      samples: learnt,
      sampleRepeats: Math.max(1, Math.min(sampleRepeatsMax, Math.round(baseFrames / 2 / learnt.length))),
      gains: channelGains(renderBins(random.fork('gains'), light, gainFrames), learnt),
    },
    heldOut,
    calibration: [...calibration.slice(0, calibrationFrames / 2), ...learnt.slice(0, calibrationFrames / 2)],
    // Confidence is measured where no weight has looked; on learnt frames it would be too high.
    reference: { images: all, answers: heldOut, origin: `${all.length} frames from devices, confidence on the ${heldOut.length} held out` },
  };
}

async function firstWeights({ seed, start }: BinPickingRequest): Promise<Model> {
  const fresh = createNetwork(seed);
  if (start === undefined) return fresh;
  return startFrom(fresh, start === 'starter' ? await openStarter() : readModel(start));
}
