import { availableParallelism } from 'node:os';

import { sha256 } from '@serin/protocol/digest';
import { seededRandom } from '@serin/inference/random';

import { createGraphBuilder } from '../onnx/builder.ts';
import { createModel } from '../onnx/graph.ts';
import { writeModel } from '../onnx/model-file.ts';
import { openSession, runtimeTensor } from '../onnx/session.ts';
import { learningWeights } from '../train/layers.ts';
import { softmaxCrossEntropy } from '../train/losses.ts';
import { adam } from '../train/optimiser.ts';
import { openTrainer } from '../train/trainer.ts';
import { openNaive, type Contender } from './train/naive.ts';
import { batch, flopsForward, flopsOfStep, rate, referenceNetwork, syntheticBatch } from './train/network.ts';
import { openTensorflow, type Peer } from './train/tensorflow.ts';
import { openTfjs } from './train/tfjs.ts';

export const description = 'images a second that a small convolutional network trains at, beside a naive graph, tfjs (and with --peer TensorFlow)';

interface Report {
  readonly table: string[][];
  readonly figures: Record<string, number | string | boolean>;
}

const threads = 2;
const seed = 1;

async function openOurs(count: number): Promise<Contender & { weights(): Float32Array }> {
  const optimiser = adam();
  const model = referenceNetwork(seed);
  const loss = softmaxCrossEntropy({ logits: 'logits' });
  const trainer = await openTrainer({ model, loss, trainable: learningWeights(model), dimensions: { N: batch }, optimiser }, count);
  let steps = 0;
  return {
    step: async (examples) => {
      steps += 1;
      return (await trainer.step(examples, { rate, correction: optimiser.correction(steps) })).loss;
    },
    weights: () => trainer.state()['weights'] ?? new Float32Array(),
    close: () => trainer.close(),
  };
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

async function timeOf(work: () => Promise<unknown>, times: number): Promise<number> {
  const begun = performance.now();
  for (let done = 0; done < times; done += 1) await work();
  return performance.now() - begun;
}

const side = 1024;

/** A product large enough that nothing but arithmetic counts. */
async function openPeak(): Promise<() => Promise<unknown>> {
  const builder = createGraphBuilder('peak');
  for (const name of ['a', 'b']) builder.input(name, 'float32', [side, side]);
  builder.output(builder.add('MatMul', ['a', 'b']), 'float32', [side, side]);
  const session = await openSession(writeModel(createModel(builder.finish())), { threads });
  const random = seededRandom(seed);
  const [a, b] = [0, 1].map(() =>
    runtimeTensor(
      'float32',
      Float32Array.from({ length: side * side }, () => random.uniform()),
      [side, side],
    ),
  );
  return () => session.run({ a: a as NonNullable<typeof a>, b: b as NonNullable<typeof b> });
}

interface Speeds {
  readonly ours: number;
  readonly naive: number;
  readonly overNaive: number;
  readonly peer: number | undefined;
  readonly overPeer: number | undefined;
  readonly peakGflops: number;
}

/** Turn by turn, so that what else the machine does falls on all of them; medians of times, and of ratios within a turn. */
async function compareSpeeds(rounds: number, steps: number, peer: Peer | undefined): Promise<Speeds> {
  const ours = await openOurs(threads);
  const naive = await openNaive(referenceNetwork(seed), threads);
  const multiply = await openPeak();
  const batches = [syntheticBatch(1), syntheticBatch(2)] as const;
  let turn = 0;
  const step = (contender: Contender) => () => contender.step(batches[turn++ % 2 === 0 ? 0 : 1]);
  for (const warm of [step(ours), step(naive), multiply]) await timeOf(warm, 20);
  const found: { ours: number; naive: number; peer: number; peak: number }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    found.push({
      ours: (await timeOf(step(ours), steps)) / steps,
      naive: (await timeOf(step(naive), steps)) / steps,
      peer: peer === undefined ? Number.NaN : (await peer.time(steps)) / steps,
      peak: await timeOf(multiply, 1),
    });
  }
  await ours.close();
  await naive.close();
  const speed = (ms: number): number => (batch * 1000) / ms;
  return {
    ours: speed(median(found.map((one) => one.ours))),
    naive: speed(median(found.map((one) => one.naive))),
    overNaive: median(found.map((one) => one.naive / one.ours)),
    peer: peer === undefined ? undefined : speed(median(found.map((one) => one.peer))),
    overPeer: peer === undefined ? undefined : median(found.map((one) => one.peer / one.ours)),
    peakGflops: (2 * side ** 3) / Math.min(...found.map((one) => one.peak)) / 1e6,
  };
}

interface Memory {
  readonly firstMb: number;
  readonly lastMb: number;
  readonly slopeBytes: number;
}

/** Resident memory over many steps, and the slope of the line through it. */
async function watchMemory(steps: number): Promise<Memory> {
  const contender = await openOurs(threads);
  const examples = syntheticBatch(3);
  await timeOf(() => contender.step(examples), Math.max(100, steps / 4));
  const samples: [number, number][] = [];
  for (let done = 0; done <= steps; done += 1) {
    if (done % 20 === 0) samples.push([done, process.memoryUsage.rss()]);
    await contender.step(examples);
  }
  await contender.close();
  const mean = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0) / values.length;
  const [at, size] = [mean(samples.map(([x]) => x)), mean(samples.map(([, y]) => y))];
  const covariance = mean(samples.map(([x, y]) => (x - at) * (y - size)));
  const few = Math.ceil(samples.length / 10);
  const part = (from: number, to?: number): number => Math.round(mean(samples.slice(from, to).map(([, y]) => y)) / 1e5) / 10;
  return { firstMb: part(0, few), lastMb: part(-few), slopeBytes: Math.round(covariance / mean(samples.map(([x]) => (x - at) ** 2))) };
}

/** Digests of the weights after the same steps with one thread and with two, and the losses beside the naive graph's. */
async function compareDigests(steps: number): Promise<{ digests: string[]; lossApart: number }> {
  const digests: string[] = [];
  const losses: number[][] = [];
  const naive = await openNaive(referenceNetwork(seed), threads);
  const contenders = [await openOurs(1), await openOurs(2)];
  for (const contender of [...contenders, naive]) {
    const seen: number[] = [];
    for (let done = 0; done < steps; done += 1) seen.push(await contender.step(syntheticBatch(done)));
    losses.push(seen);
    if ('weights' in contender) digests.push(await sha256(new Uint8Array((contender as (typeof contenders)[number]).weights().buffer)));
    await contender.close();
  }
  const [ours = [], , plain = []] = losses;
  return { digests, lossApart: Math.max(...ours.map((loss, index) => Math.abs(loss - (plain[index] ?? Number.NaN)))) };
}

const tfjsMsMax = 80_000;

async function timeTfjs(quick: boolean): Promise<number> {
  // The fewer examples of a quick run take as long each.
  const count = quick ? 8 : batch;
  const contender = await openTfjs(referenceNetwork(seed), count);
  const examples = syntheticBatch(1);
  await timeOf(() => contender.step(examples), quick ? 1 : 2);
  const times: number[] = [];
  // Steps of many seconds on a busy machine: what the time allows.
  for (let spentMs = 0; times.length < 5 && spentMs < tfjsMsMax; spentMs += times.at(-1) ?? 0) times.push(await timeOf(() => contender.step(examples), 1));
  await contender.close();
  return (count * 1000) / median(times);
}

export async function run({ quick, peer: wantsPeer }: { quick: boolean; peer?: boolean }): Promise<Report> {
  const memory = await watchMemory(quick ? 400 : 2000);
  const { digests, lossApart } = await compareDigests(quick ? 20 : 50);
  const peer = wantsPeer === true ? await openTensorflow(process.env['SERIN_PYTHON'] ?? 'python3', threads) : undefined;
  const speeds = await compareSpeeds(quick ? 15 : 60, 10, peer);
  await peer?.close();
  const tfjs = await timeTfjs(quick);
  const limit = (speeds.peakGflops * 1e9) / flopsOfStep;
  const round = (value: number, digits = 0): number => Math.round(value * 10 ** digits) / 10 ** digits;
  const isSame = digests.every((digest) => digest === digests[0]);
  return {
    table: [
      ['batch 64, 2 threads', 'images/s', 'ours over it'],
      ['ours', String(round(speeds.ours)), ''],
      ['the naive graph', String(round(speeds.naive)), `${round(speeds.overNaive, 2)}`],
      ['tfjs, CPU backend', String(round(tfjs, 1)), String(round(speeds.ours / tfjs))],
      ...(speeds.peer === undefined
        ? []
        : [[`TensorFlow ${peer?.version ?? ''}`, String(round(speeds.peer)), String(round(speeds.overPeer ?? Number.NaN, 2))]]),
      ...(wantsPeer === true && peer === undefined ? [['TensorFlow: the Python of SERIN_PYTHON has none', '', '']] : []),
      ['what the processor could do at most', String(round(limit)), String(round(speeds.ours / limit, 2))],
      ['', '', ''],
      ['MFLOP an image, forward and in all', `${round(flopsForward / 1e6, 2)} ${round(flopsOfStep / 1e6, 2)}`, ''],
      ['GFLOP/s of a large product, at best', String(round(speeds.peakGflops)), ''],
      ['GFLOP/s of ours', String(round((speeds.ours * flopsOfStep) / 1e9)), ''],
      ['resident MB, first and last tenth', `${memory.firstMb} ${memory.lastMb}`, `${memory.slopeBytes} bytes a step`],
      ['weights with 1 thread and with 2', isSame ? 'the same' : 'DIFFERENT', (digests[0] ?? '').slice(0, 12)],
      ['losses of ours and the naive graph apart, at most', lossApart.toExponential(1), ''],
    ],
    figures: {
      imagesPerS: round(speeds.ours),
      naiveImagesPerS: round(speeds.naive),
      tfjsImagesPerS: round(tfjs, 1),
      overNaive: round(speeds.overNaive, 2),
      overTfjs: round(speeds.ours / tfjs),
      ...(speeds.peer === undefined ? {} : { tensorflowImagesPerS: round(speeds.peer), overTensorflow: round(speeds.overPeer ?? Number.NaN, 2) }),
      limitImagesPerS: round(limit),
      peakGflops: round(speeds.peakGflops),
      rssFirstMb: memory.firstMb,
      rssLastMb: memory.lastMb,
      rssSlopeBytesPerStep: memory.slopeBytes,
      weightsSameFor1And2Threads: isSame,
      weightsSha256: digests[0] ?? '',
      lossApartFromNaive: lossApart,
      processors: availableParallelism(),
    },
  };
}
