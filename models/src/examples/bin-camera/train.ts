import { seededRandom, type Random } from '@serin/inference/random';
import { frameBytes, sceneLabels, type Light } from '@serin/inference/scene';
import { SerinError } from '@serin/protocol/errors';

import { channelGains, relight, turn, type ChannelGains } from '../../data/augment.ts';
import { frameAt, renderFrames, splitFrames, type FrameSet, type LabelledFrame, type Split } from '../../data/frames.ts';
import { comparePaired } from '../../evaluate/compare.ts';
import { judge } from '../../evaluate/gate.ts';
import { evaluate } from '../../evaluate/metrics.ts';
import type { Model, Tensor } from '../../onnx/graph.ts';
import { writeModel } from '../../onnx/model-file.ts';
import { openSession, type Session } from '../../onnx/session.ts';
import type { TrainedVersion } from '../../package/version.ts';
import { quantise } from '../../quantise/quantise.ts';
import { softmaxCrossEntropy } from '../../train/losses.ts';
import { throwIfCancelled, train } from '../../train/train.ts';
import { countParameters, weightDigest } from '../../train/weights.ts';
import { createNetwork, frameInput, logitsName, trainableWeights } from './network.ts';
import { packVersion, type ReferenceFrames } from './pack.ts';
import { frameTensor, predict } from './predict.ts';

export interface TrainingRequest {
  readonly seed: number;
  /** Rendered frames to learn from. */
  readonly baseFrames: number;
  readonly epochs: number;
  /** The light of the rendered frames. */
  readonly light: Light;
  /** Frames in a telemetry window: the profile's null windows have this many. */
  readonly framesPerWindow: number;
  /**
   * Labelled frames from devices, newest last. They should be a random draw of what the cameras see: the
   * reference profile is made from them.
   */
  readonly samples?: readonly LabelledFrame[];
  /** The ONNX file now serving, to be compared with. */
  readonly champion?: Uint8Array;
}

export interface TrainingProgress {
  readonly stage: 'data' | 'train' | 'quantise' | 'evaluate' | 'package';
  /** Of the whole training, 0 to 1. */
  readonly fraction: number;
  readonly message: string;
  readonly metrics?: Record<string, number>;
}

export interface TrainingOptions {
  readonly onProgress?: (progress: TrainingProgress) => void;
  readonly signal?: AbortSignal;
  readonly threads?: number;
  readonly now?: () => number;
}

const batch = 64;
const highestRate = 0.003;
const heldOutFrames = 1500;
const referenceFrames = 4000;
const calibrationFrames = 512;
const heldOutShare = 0.3;
const heldOutMin = 20;
/** Samples are shown several times a pass, to weigh about as much as half of the rendered frames. */
const sampleRepeatsMax = 12;
const relitShare = 0.75;
const relitNoise = 2.5;

/** Trains, quantises, judges and packages one version of the bin camera's model. */
export async function trainBinCamera(request: TrainingRequest, options: TrainingOptions = {}): Promise<TrainedVersion> {
  const { signal, threads = 1, now = () => performance.now() } = options;
  const report = (progress: TrainingProgress): void => {
    throwIfCancelled(signal);
    options.onProgress?.(progress);
  };
  const random = seededRandom(request.seed);

  report({ stage: 'data', fraction: 0, message: `rendering ${request.baseFrames} frames` });
  const data = await collectData(request, random);
  report({ stage: 'train', fraction: 0.1, message: `training on ${data.examples.count} examples` });
  const model = await trainNetwork(request, data.examples, { threads, signal, now, report });

  report({ stage: 'quantise', fraction: 0.8, message: 'measuring ranges and writing 8-bit weights' });
  const calibration = frameTensor(data.heldOutCalibration.pixels, data.heldOutCalibration.count);
  const quantised = await quantise(model, { batches: [{ [frameInput]: calibration }], threads });
  const fp32 = writeModel(model);
  const u8s8 = writeModel(quantised);

  const sessions: Session[] = [];
  const open = async (bytes: Uint8Array): Promise<Session> => {
    const session = await openSession(bytes, { threads });
    sessions.push(session);
    return session;
  };
  try {
    report({ stage: 'evaluate', fraction: 0.85, message: `judging on ${data.heldOut.count} held-out frames` });
    const [floatSession, byteSession] = [await open(fp32), await open(u8s8)];
    const judged = async (session: Session, set: FrameSet) => evaluate(await predict(session, set), set.labels, sceneLabels.length);
    const float = await judged(floatSession, data.heldOut);
    const bytes = await judged(byteSession, data.heldOut);
    const champion = request.champion === undefined ? undefined : await judged(await open(request.champion), data.heldOut);
    const comparison = champion === undefined ? undefined : comparePaired(bytes.correct, champion.correct);
    const gate = judge({ float, quantised: bytes, modelBytes: fp32.length, ...(comparison === undefined ? {} : { comparison }) });
    const metrics: Record<string, number> = {
      accuracy: bytes.accuracy,
      accuracyFp32: float.accuracy,
      ece: bytes.ece,
      meanConfidence: bytes.meanConfidence,
      heldOutFrames: bytes.count,
      ...(champion === undefined ? {} : { championAccuracy: champion.accuracy }),
      ...(comparison === undefined ? {} : { championDifference: comparison.difference, championDifferenceLow: comparison.interval[0] }),
    };
    report({ stage: 'package', fraction: 0.92, message: gate.passed ? 'passed its gate' : 'did not pass its gate', metrics });

    const version = await packVersion({
      variants: [
        { variant: 'u8s8', bytes: u8s8, session: byteSession },
        { variant: 'fp32', bytes: fp32, session: floatSession },
      ],
      reference: data.reference,
      framesPerWindow: request.framesPerWindow,
      random: random.fork('package'),
    });
    throwIfCancelled(signal);
    return { ...version, metrics, gate, weightDigest: await weightDigest(model), parameters: countParameters(model) };
  } finally {
    for (const session of sessions) void session.release();
  }
}

/** Rendered frames, and with them frames from devices and the gains that lead from the one light to the other. */
interface Examples {
  readonly count: number;
  readonly base: FrameSet;
  readonly samples: FrameSet | undefined;
  readonly sampleRepeats: number;
  readonly gains: ChannelGains | undefined;
}

interface Data {
  readonly examples: Examples;
  readonly heldOut: FrameSet;
  readonly heldOutCalibration: FrameSet;
  readonly reference: ReferenceFrames;
}

async function collectData(request: TrainingRequest, random: Random): Promise<Data> {
  const base = renderFrames(random.fork('base'), request.light, request.baseFrames);
  const head = (set: FrameSet, count: number): FrameSet => {
    const kept = Math.min(count, set.count);
    return { count: kept, pixels: set.pixels.subarray(0, kept * frameBytes), labels: set.labels.subarray(0, kept) };
  };

  if (request.samples === undefined || request.samples.length === 0) {
    const reference = renderFrames(random.fork('reference'), request.light, referenceFrames);
    return {
      examples: { count: base.count, base, samples: undefined, sampleRepeats: 0, gains: undefined },
      heldOut: renderFrames(random.fork('held out'), request.light, heldOutFrames),
      heldOutCalibration: head(base, calibrationFrames),
      reference: { images: reference, answers: reference, origin: `${reference.count} rendered frames under the design light` },
    };
  }

  const split: Split = await splitFrames(request.samples, heldOutShare);
  const { train, heldOut } = split;
  if (heldOut.count < heldOutMin || train.count < heldOutMin) {
    throw new SerinError('TRAINING_DATA_INSUFFICIENT', {
      detail: `${train.count} different samples to learn from and ${heldOut.count} to judge by; at least ${heldOutMin} of each are needed`,
    });
  }
  const sampleRepeats = Math.max(1, Math.min(sampleRepeatsMax, Math.round(base.count / 2 / train.count)));
  const all: FrameSet = {
    count: train.count + heldOut.count,
    pixels: concatBytes(train.pixels, heldOut.pixels),
    labels: concatBytes(train.labels, heldOut.labels),
  };
  return {
    examples: { count: base.count + train.count * sampleRepeats, base, samples: train, sampleRepeats, gains: channelGains(base, train) },
    heldOut,
    heldOutCalibration: combine(head(base, calibrationFrames / 2), head(train, calibrationFrames / 2)),
    // Confidence is measured where no weight has looked; on learnt frames it would be too high.
    reference: { images: all, answers: heldOut, origin: `${all.count} frames from devices, confidence on the ${heldOut.count} held out` },
  };
}

function concatBytes(left: Uint8Array, right: Uint8Array): Uint8Array {
  const joined = new Uint8Array(left.length + right.length);
  joined.set(left);
  joined.set(right, left.length);
  return joined;
}

const combine = (left: FrameSet, right: FrameSet): FrameSet => ({
  count: left.count + right.count,
  pixels: concatBytes(left.pixels, right.pixels),
  labels: concatBytes(left.labels, right.labels),
});

interface Surroundings {
  readonly threads: number;
  readonly signal: AbortSignal | undefined;
  readonly now: () => number;
  readonly report: (progress: TrainingProgress) => void;
}

async function trainNetwork(request: TrainingRequest, examples: Examples, surroundings: Surroundings): Promise<Model> {
  const { threads, signal, now, report } = surroundings;
  const fresh = createNetwork(request.seed);
  const pixels = new Uint8Array(batch * frameBytes);
  const wanted = new Float32Array(batch * sceneLabels.length);
  const { model } = await train({
    model: fresh,
    loss: softmaxCrossEntropy({ logits: logitsName }),
    trainable: trainableWeights(fresh),
    batch,
    epochs: request.epochs,
    rate: highestRate,
    seed: request.seed,
    threads,
    signal,
    now,
    source: {
      examples: examples.count,
      fill: (indices, source) => {
        wanted.fill(0);
        indices.forEach((example, place) => {
          const label = drawExample(examples, example, source, pixels.subarray(place * frameBytes, (place + 1) * frameBytes));
          wanted[place * sceneLabels.length + label] = 1;
        });
        const targets: Tensor = { type: 'float32', dims: [batch, sceneLabels.length], data: wanted };
        return { feeds: { [frameInput]: frameTensor(pixels, batch) }, targets: { targets } };
      },
    },
    onProgress: ({ step, steps, loss, examplesPerSecond }) => {
      report({ stage: 'train', fraction: 0.1 + (0.7 * step) / steps, message: `step ${step} of ${steps}`, metrics: { loss, examplesPerSecond } });
    },
  });
  return model;
}

/** Writes one example, augmented if frames from devices take part, and returns its label. */
function drawExample({ base, samples, gains }: Examples, example: number, random: Random, out: Uint8Array): number {
  if (example < base.count) {
    const source = frameAt(base, example);
    if (gains !== undefined && random.uniform() < relitShare) relight(source, gains, random.between(0, 1.1), relitNoise, random, out);
    else out.set(source);
    return base.labels[example] ?? 0;
  }
  if (samples === undefined) throw new RangeError(`there is no example ${example}`);
  const index = (example - base.count) % samples.count;
  turn(frameAt(samples, index), random.integer(8), out);
  return samples.labels[index] ?? 0;
}
