import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';
import { createModel, elementCount, floats, int, type Tensor } from '../onnx/graph.ts';
import { readModel, writeModel } from '../onnx/model-file.ts';
import { foldConstants } from '../onnx/passes/fold-constants.ts';
import { removeDeadCode } from '../onnx/passes/remove-dead-code.ts';
import { upgradeOpset } from '../onnx/passes/upgrade-opset.ts';
import { openSession, runtimeTensor } from '../onnx/session.ts';
import { foreignModels } from '../onnx/testing/foreign-models.ts';
import { differentiate } from './autodiff.ts';
import { createLayout } from './model-layout.ts';
import { createTape, type Tape } from './tape.ts';

test('the gradients of a classifier exported elsewhere, by every one of its weights, agree with differences', async () => {
  const [, , { file, dimensions }] = foreignModels;
  const model = removeDeadCode(await foldConstants(upgradeOpset(readModel(await readFile(file)))));
  const weights = [...model.graph.initialisers].filter(
    (entry): entry is [string, Tensor<'float32'>] => entry[1].type === 'float32' && entry[1].data.length > 1,
  );
  const random = seededRandom(1);
  // What enters the softmax, which is nearly flat far from a decision.
  const scores = model.graph.nodes.find((node) => node.operator === 'Softmax')?.inputs[0] ?? '';
  const laidOut = (): Tape => {
    const tape = createTape('foreign');
    for (const [name, { type, dims }] of weights) tape.input(name, type, dims);
    createLayout(tape, model, { dimensions, present: new Set(weights.map(([name]) => name)) })(scores);
    return tape;
  };
  const tape = laidOut();
  const factors = Float32Array.from({ length: elementCount(tape.type(scores).dims) }, () => random.normal());
  const weighted = tape.add('Mul', [scores, tape.constant(floats(tape.type(scores).dims, factors))]);
  const loss = tape.add('ReduceSum', [weighted], { keepdims: int(0) });
  const gradients = differentiate(
    tape,
    loss,
    weights.map(([name]) => name),
  );
  for (const gradient of new Set(gradients.values())) tape.output(gradient);
  const plain = laidOut();
  plain.output(scores);

  const backward = await openSession(writeModel(createModel(tape.finish())));
  const forward = await openSession(writeModel(createModel(plain.finish())));
  const [input] = model.graph.inputs;
  const inputDims = tape.type(input?.name ?? '').dims;
  const picture = Float32Array.from({ length: elementCount(inputDims) }, () => random.normal());
  const feeds = Object.fromEntries([
    [input?.name ?? '', runtimeTensor('float32', picture, inputDims)],
    ...weights.map(([name, { data, dims }]) => [name, runtimeTensor('float32', data, dims)] as const),
  ]);
  const found = await backward.run(feeds);
  for (const [index, [name, { data, dims }]] of weights.entries()) {
    const gradient = found[gradients.get(name) ?? '']?.data as Float32Array;
    expect(gradient.every(Number.isFinite), name).toBe(true);
    // Differences cost two runs each: a few weights of all depths and kinds.
    if (index % 11 !== 0) continue;
    const squared = gradient.reduce((sum, value) => sum + value * value, 0);
    const lossAt = async (distance: number): Promise<number> => {
      const moved = data.map((value, place) => value + distance * (gradient[place] ?? 0));
      const result = await forward.run({ ...feeds, [name]: runtimeTensor('float32', moved, dims) });
      return factors.reduce((sum, factor, place) => sum + factor * Number(result[scores]?.data[place]), 0);
    };
    // Along the gradient itself, by steps that move the loss by little but more than float32 rounds.
    const errors: number[] = [];
    for (const change of [0.05, 0.01, 0.002, 0.0005]) {
      const distance = change / squared;
      errors.push(Math.abs(((await lossAt(distance)) - (await lossAt(-distance))) / (2 * change) - 1));
    }
    // A long step may make a variance negative.
    expect(Math.min(...errors.filter(Number.isFinite)), name).toBeLessThan(0.03);
  }
  await Promise.all([backward.release(), forward.release()]);
});
