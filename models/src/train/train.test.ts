import { describe, expect, test } from 'vitest';

import type { Batch, BatchSource } from '../data/batch-source.ts';
import { floats, type Model } from '../onnx/graph.ts';
import { defineModel, learningWeights } from './layers.ts';
import { mse, softmaxCrossEntropy, sumOf, type Loss } from './losses.ts';
import { adam, sgd } from './optimiser.ts';
import { constantRate } from './schedule.ts';
import { xorBatch, xorOptions, xorSource } from './testing/xor.ts';
import { train, type TrainOptions, type TrainProgress } from './train.ts';
import { openTrainer } from './trainer.ts';
import { weightDigest } from './weights.ts';

const trainXor = (more: Partial<TrainOptions> = {}, seed = 1) => train({ ...xorOptions(seed), ...more });

test('training learns', async () => {
  const { loss, history } = await trainXor({ epochs: 15 });
  expect(loss).toBeLessThan((history[0]?.loss ?? 0) / 3);
});

test('the same seed gives the same weights whatever the number of threads, another seed others', async () => {
  const { digest } = await trainXor({ clipNorm: 0.5 });
  expect((await trainXor({ clipNorm: 0.5 })).digest).toBe(digest);
  expect((await trainXor({ clipNorm: 0.5, threads: 2 })).digest).toBe(digest);
  expect((await trainXor({ clipNorm: 0.5 }, 2)).digest).not.toBe(digest);
});

test('the result tells of the whole run', async () => {
  const result = await trainXor();
  expect(result).toMatchObject({ steps: 60, stopped: 'finished', examplesSeen: 60 * xorBatch });
  expect(result.digest).toBe(await weightDigest(result.model));
  expect(result.history.map(({ step }) => step)).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
});

test('the statistics of batch normalisation are in the trained model', async () => {
  const { model } = await trainXor();
  expect(Array.from(model.graph.initialisers.get('norm.mean')?.data as Float32Array)).not.toEqual(Array.from({ length: 16 }, () => 0));
});

test('a cancellation from outside arrives while steps run', async () => {
  const cancel = new AbortController();
  setImmediate(() => cancel.abort());
  await expect(trainXor({ signal: cancel.signal })).rejects.toMatchObject({ code: 'CANCELLED' });
});

test('a cancellation arrives while the model is judged', async () => {
  const cancel = new AbortController();
  const run = (): Promise<number> => new Promise(() => setImmediate(() => cancel.abort()));
  await expect(trainXor({ signal: cancel.signal, validate: { run, better: 'lower' } })).rejects.toMatchObject({ code: 'CANCELLED' });
});

test('an Adam step moves every weight by the rate against its gradient', async () => {
  const model = defineModel('line', 1, (nn) => nn.output('logits', nn.dense(nn.input('x', 'float32', [2]), 2, { name: 'layer' })));
  const optimiser = adam();
  const trainer = await openTrainer({
    model,
    loss: softmaxCrossEntropy({ logits: 'logits' }),
    trainable: learningWeights(model),
    dimensions: { N: 1 },
    optimiser,
  });
  const example: Batch = { feeds: { x: floats([1, 2], [0, 0]) }, targets: { targets: floats([1, 2], [1, 0]) } };
  await trainer.step(example, { rate: 0.01, correction: optimiser.correction(1) });
  const bias = trainer.weights().get('layer.bias');
  // The first step has length `rate` whatever the size of the gradient.
  expect(bias?.data[0]).toBeCloseTo(0.01, 5);
  expect(bias?.data[1]).toBeCloseTo(-0.01, 5);
  await trainer.close();
});

test('a batch dimension of any name is bound', async () => {
  const { model } = xorOptions(1);
  const inputs = model.graph.inputs.map((input) => ({ ...input, dims: ['batch_size', ...input.dims.slice(1)] }));
  await trainXor({ model: { ...model, graph: { ...model.graph, inputs } }, epochs: 1 });
});

test.each<[string, Partial<TrainOptions>, RegExp]>([
  ['batch', { batch: 0 }, /batch is 0/],
  ['epochs', { epochs: Number.NaN }, /epochs is NaN/],
  ['rate', { rate: -1 }, /rate is -1/],
  ['averaging', { averaging: 1 }, /averaging is 1/],
  ['clipNorm', { clipNorm: 0 }, /clipNorm is 0/],
  ['patience', { validate: { run: () => 1, better: 'lower', patience: 0 } }, /patience is 0/],
])('a senseless %s is refused', async (_, options, message) => {
  await expect(trainXor(options)).rejects.toMatchObject({ code: 'CONFIG_INVALID', detail: expect.stringMatching(message) as string });
});

test('too few examples for one batch are refused', async () => {
  await expect(trainXor({ source: xorSource({ examples: 3 }) })).rejects.toMatchObject({ code: 'TRAINING_DATA_INSUFFICIENT' });
});

describe('progress', () => {
  test('comes at the first step, by time, and at the last', async () => {
    const seen: TrainProgress[] = [];
    let time = 0;
    await trainXor({ now: () => (time += 30), onProgress: (progress) => seen.push(progress) });
    expect(seen[0]?.step).toBe(1);
    expect(seen.at(-1)).toMatchObject({ step: 60, steps: 60, epoch: 6, remainingSeconds: 0 });
    expect(seen.length).toBeGreaterThan(3);
    expect(seen.length).toBeLessThan(20);
    expect(seen[2]?.remainingSeconds).toBeGreaterThan(seen[3]?.remainingSeconds ?? Infinity);
    expect(seen.every(({ examplesPerSecond, gradientNorm }) => examplesPerSecond > 0 && gradientNorm > 0)).toBe(true);
  });

  test('names the parts of the loss and the rate of the step', async () => {
    const seen: TrainProgress[] = [];
    const loss = sumOf({ kind: [softmaxCrossEntropy({ logits: 'logits' }), 1], size: [mse({ prediction: 'logits' }), 0.1] });
    await trainXor({ loss, schedule: constantRate, onProgress: (progress) => seen.push(progress) });
    const [first] = seen;
    expect(first).toMatchObject({ rate: 0.02 });
    expect(first?.loss).toBeCloseTo((first?.parts['kind'] ?? 0) + 0.1 * (first?.parts['size'] ?? 0), 5);
  });

  test('what it throws ends the run', async () => {
    const stop = new Error('enough');
    const onProgress = (): never => {
      throw stop;
    };
    await expect(trainXor({ onProgress })).rejects.toBe(stop);
  });
});

describe('early stopping', () => {
  /** Judges by the numbers given, one a time. */
  const script = (...values: number[]) => {
    const judged: Model[] = [];
    const run = (model: Model): number => values[judged.push(model) - 1] ?? Number.NaN;
    return { judged, run };
  };

  test('ends after so many judgements that were no better, and gives the best', async () => {
    const { judged, run } = script(5, 4, 4.5, 4, 9, 1);
    const result = await trainXor({ validate: { everySteps: 3, run, better: 'lower', patience: 3 } });
    expect(result).toMatchObject({ stopped: 'early', steps: 15, best: { step: 6, value: 4 } });
    expect(result.digest).toBe(await weightDigest(judged[1] as Model));
    expect(result.digest).not.toBe(await weightDigest(judged[4] as Model));
  });

  test('judges each epoch and at the end unless said otherwise, and without patience keeps the best of all', async () => {
    const { judged, run } = script(1, 2, 7, 3, 4, 5, 6);
    const result = await trainXor({ epochs: 6.5, validate: { run, better: 'higher' } });
    expect(result).toMatchObject({ stopped: 'finished', steps: 65, best: { step: 30, value: 7 } });
    expect(judged).toHaveLength(7);
  });

  test('what is not a number is never the best', async () => {
    const result = await trainXor({ validate: { run: script(Number.NaN, 3).run, better: 'lower', patience: 2 } });
    expect(result).toMatchObject({ stopped: 'early', steps: 40, best: { step: 20, value: 3 } });
    const none = await trainXor({ validate: { run: () => Number.NaN, better: 'lower' } });
    expect(none.best).toBeUndefined();
    expect(none.digest).toBe((await trainXor()).digest);
  });

  test('progress tells of the latest judgement and of the best', async () => {
    const seen: TrainProgress[] = [];
    await trainXor({ validate: { run: script(3, 5).run, better: 'lower' }, reportEvery: 1, onProgress: (progress) => seen.push(progress) });
    expect(seen[24]?.validation).toEqual({ step: 20, value: 5, best: { step: 10, value: 3 } });
  });
});

test('weights that leave the finite in the very last step are not handed out', async () => {
  await expect(trainXor({ epochs: 0.1, rate: 3e38, optimiser: sgd(), schedule: () => 1e30 })).rejects.toMatchObject({
    code: 'TRAINING_DIVERGED',
    detail: expect.stringMatching(/the weight .* holds a number that is not finite after the last step/) as string,
  });
});

describe('a number that is not finite ends the run with its likely cause:', () => {
  const line = (seed = 1): Model => defineModel('line', seed, (nn) => nn.output('y', nn.dense(nn.input('x', 'float32', [2]), 1, { name: 'layer' })));
  const source = (change: (batch: { x: Float32Array; targets: Float32Array }, made: number) => void = () => {}): BatchSource => {
    let made = 0;
    return {
      examples: 12,
      fill: (indices) => {
        made += 1;
        const x = Float32Array.from({ length: 8 }, (_, index) => Math.sin(index + (indices[0] ?? 0)));
        const targets = Float32Array.from({ length: 4 }, (_, index) => Math.cos(index));
        change({ x, targets }, made);
        return { feeds: { x: floats([4, 2], x) }, targets: { targets: floats([4, 1], targets) } };
      },
    };
  };
  const root: Loss = ({ tape, output }) =>
    tape.add('ReduceMean', [tape.add('Sqrt', [tape.add('Mul', [output('y'), tape.number(0, 'y')])])], { keepdims: { kind: 'int', value: 0 } });
  const logarithm: Loss = ({ tape, output }) => tape.add('ReduceMean', [tape.add('Log', [output('y')])], { keepdims: { kind: 'int', value: 0 } });

  test.each<[string, Partial<TrainOptions>, RegExp, RegExp]>([
    [
      'an input',
      { source: source(({ x }, made) => made === 3 && (x[5] = Number.NaN)) },
      /the loss was NaN at step 3: the input x of example \d+ \(place 2 of the batch\) holds NaN/,
      /this example/,
    ],
    [
      'a target',
      { source: source(({ targets }, made) => made === 2 && (targets[3] = Infinity)) },
      /at step 2: the target targets of example \d+ \(place 3 of the batch\) holds Infinity/,
      /this example/,
    ],
    [
      'a learning rate',
      { rate: 9, epochs: 200 },
      /the loss had grown from .* at step 1 to .*e\+\d+ at step \d+: the learning rate is too high/,
      /which was 9 here/,
    ],
    [
      'large inputs',
      { source: source(({ x }) => x.fill(1e30)) },
      /the loss was Infinity at step 1: nothing was learnt yet, and the inputs are large: x from 1e\+30 to 1e\+30/,
      /Scale the inputs/,
    ],
    [
      'the loss itself',
      { loss: logarithm },
      /at step 1: nothing was learnt yet and the batch is sound \(inputs: x from .* to .*\), so it lies in the model or in the loss/,
      /a logarithm of zero/,
    ],
    [
      'a slope that is infinite',
      { loss: root },
      /the gradient was NaN at step 1, while the loss was 0: nothing was learnt yet/,
      /a root of something negative/,
    ],
    [
      'a weight the model came with',
      { model: { ...line(), graph: { ...line().graph, initialisers: new Map([...line().graph.initialisers, ['layer.bias', floats([1], [Number.NaN])]]) } } },
      /at step 1: the weight layer.bias was NaN before the first step/,
      /finite weights/,
    ],
  ])('%s', async (_, more, detail, hint) => {
    const options: TrainOptions = {
      model: line(),
      loss: mse({ prediction: 'y' }),
      optimiser: sgd(),
      schedule: constantRate,
      source: source(),
      batch: 4,
      epochs: 4,
      rate: 0.01,
      seed: 1,
    };
    await expect(train({ ...options, ...more })).rejects.toMatchObject({
      code: 'TRAINING_DIVERGED',
      detail: expect.stringMatching(detail) as string,
      hint: expect.stringMatching(hint) as string,
    });
  });
});
