import { SerinError } from '@serin/protocol/errors';

import { openFeed, type BatchFeed } from './batch-feed.ts';
import { batchOrder, type BatchOrder } from './batch-order.ts';
import { orCancelled, throwIfCancelled } from './cancellation.ts';
import { learningWeights } from './layers.ts';
import { adam, type Optimiser } from './optimiser.ts';
import { createMeter } from './progress.ts';
import { averagingShare, warmUpCosine } from './schedule.ts';
import { startRun, type Run } from './run.ts';
import type { TrainOptions, TrainResult } from './train-options.ts';
import { openTrainer } from './trainer.ts';
import { weightDigest } from './weights.ts';

export type { TrainProgress } from './progress.ts';
export type { TrainOptions, TrainResult } from './train-options.ts';

/** Trains a network: a step is one run of one ONNX graph. Equal options give equal weights, bit for bit. */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const { batch, seed, signal } = options;
  checkNumbers(options);
  throwIfCancelled(signal);
  const feed = await openFeed(options.source, { batch, seed, signal });
  try {
    return await trainFrom(feed, options);
  } finally {
    await feed.close();
  }
}

function checkNumbers({ batch, epochs, rate, averaging, clipNorm, validate }: TrainOptions): void {
  const refuse = (name: string, value: number, rule: string): never => {
    throw new SerinError('CONFIG_INVALID', { detail: `${name} is ${value}; it must be ${rule}` });
  };
  if (!Number.isInteger(batch) || batch < 1) refuse('batch', batch, 'a whole number from 1');
  if (!(epochs > 0 && epochs < Infinity)) refuse('epochs', epochs, 'more than 0');
  if (!(rate > 0 && rate < Infinity)) refuse('rate', rate, 'more than 0');
  if (averaging !== undefined && !(averaging >= 0 && averaging < 1)) refuse('averaging', averaging, 'from 0 to less than 1');
  if (clipNorm !== undefined && !(clipNorm > 0)) refuse('clipNorm', clipNorm, 'more than 0');
  const { patience } = validate ?? {};
  if (patience !== undefined && !(patience >= 1)) refuse('patience', patience, '1 or more');
}

/** The first dimension of an input is the batch, whatever its name. */
function dimensionsOf({ model, batch, dimensions }: TrainOptions): Record<string, number> {
  const first = model.graph.inputs.flatMap(({ dims }) => (typeof dims[0] === 'string' ? [[dims[0], batch] as const] : []));
  return { ...Object.fromEntries(first), ...dimensions };
}

async function trainFrom(feed: BatchFeed, options: TrainOptions): Promise<TrainResult> {
  const { model, loss, batch, seed, optimiser = adam(), averaging, frozenNorms, clipNorm, threads = 1 } = options;
  const trainer = await openTrainer(
    {
      model,
      loss,
      trainable: options.trainable ?? learningWeights(model),
      dimensions: dimensionsOf(options),
      optimiser,
      clipNorm,
      averaged: averaging !== undefined,
      ...(frozenNorms === undefined ? {} : { frozenNorms }),
    },
    threads,
  );
  try {
    const order = batchOrder(feed.examples, batch, seed);
    const run = await startRun({ options, optimiser, trainer, order, examples: feed.examples });
    try {
      return await takeSteps(run, feed, order, options, optimiser);
    } finally {
      await run.settle();
    }
  } finally {
    await trainer.close();
  }
}

async function takeSteps(run: Run, feed: BatchFeed, order: BatchOrder, options: TrainOptions, optimiser: Optimiser): Promise<TrainResult> {
  const { batch, averaging, signal, schedule = warmUpCosine(), now = () => performance.now() } = options;
  const { steps, resumedFrom } = run;
  const from = resumedFrom ?? 0;
  const meter = createMeter({ steps, batch, from, everyMs: options.reportEveryMs ?? reportUsualMs, everySteps: options.reportEvery ?? Infinity, now });
  const began = now();
  const secondsNow = (): number => (now() - began) / 1000;
  let step = from;
  let latest = run.history(from).at(-1)?.loss ?? Number.NaN;
  while (step < steps && !run.isSpent()) {
    throwIfCancelled(signal);
    step += 1;
    const filled = await feed.take(step, steps);
    const rate = options.rate * schedule(step, steps);
    const { values } = await run.trainer.step(filled, {
      rate,
      correction: optimiser.correction(step),
      averaging: averaging === undefined ? 1 : averagingShare(averaging, step),
    });
    run.record(step, values, rate, filled);
    await run.judge(step);
    await run.keep(step, secondsNow());
    const measured = meter(step, values, step === steps || run.isSpent());
    if (measured === undefined) continue;
    latest = measured.loss;
    const { validation, checkpoint } = run.status();
    options.onProgress?.({
      ...measured,
      step,
      steps,
      epoch: Math.ceil(step / order.stepsPerEpoch),
      rate,
      ...(validation === undefined ? {} : { validation }),
      ...(checkpoint === undefined ? {} : { checkpoint }),
    });
  }
  throwIfCancelled(signal);
  const trained = run.model();
  const { best } = run.status();
  return {
    model: trained,
    digest: await orCancelled(weightDigest(trained), signal),
    steps: step,
    stopped: run.isSpent() ? 'early' : 'finished',
    loss: latest,
    history: run.history(step),
    examplesSeen: step * batch,
    seconds: run.secondsBefore + secondsNow(),
    ...(best === undefined ? {} : { best }),
    ...(resumedFrom === undefined ? {} : { resumedFrom }),
    ...(run.passedOver.length === 0 ? {} : { passedOver: run.passedOver }),
  };
}

const reportUsualMs = 500;
