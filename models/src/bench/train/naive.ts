import type { Batch } from '../../data/batch-source.ts';
import { createGraphBuilder } from '../../onnx/builder.ts';
import { createModel, elementCount, floats, int, ints, longs, scalar, text, type Model, type Tensor } from '../../onnx/graph.ts';
import { writeModel } from '../../onnx/model-file.ts';
import { openSession, runtimeTensor } from '../../onnx/session.ts';
import { batch, classes, rate, side } from './network.ts';

export interface Contender {
  /** One step, and the loss before it. */
  step(examples: Batch): Promise<number>;
  close(): Promise<void>;
}

/**
 * The reference network's training step as anybody would write it down, operator by operator: the gradient of a
 * convolution's weights as a convolution of exchanged axes, that of a pool scattered to the places of the maxima,
 * activations masked before the pools, an optimiser for every weight.
 */
export async function openNaive(model: Model, threads: number): Promise<Contender> {
  const weights = model.graph.initialisers as ReadonlyMap<string, Tensor<'float32'>>;
  const names = ['conv16.weight', 'conv16.bias', 'conv32.weight', 'conv32.bias', 'hidden.weight', 'hidden.bias', 'scores.weight', 'scores.bias'];
  const session = await openSession(writeModel(naiveGraph(names.map((name) => [name, weights.get(name)?.dims ?? []] as const))), { threads });
  const slots = names.flatMap((name) => {
    const { dims, data } = weights.get(name) as Tensor<'float32'>;
    return ['', '.mean', '.square'].map((part) => ({
      name: name + part,
      current: runtimeTensor('float32', part === '' ? data.slice() : new Float32Array(data.length), dims),
      next: runtimeTensor('float32', new Float32Array(data.length), dims),
    }));
  });
  const loss = runtimeTensor('float32', new Float32Array(1), []);
  let steps = 0;
  return {
    step: async ({ feeds, targets }) => {
      steps += 1;
      const corrected = (rate * Math.sqrt(1 - 0.999 ** steps)) / (1 - 0.9 ** steps);
      const inputs = {
        image: runtimeTensor('float32', (feeds['image'] as Tensor).data, [batch, 1, side, side]),
        targets: runtimeTensor('float32', (targets['targets'] as Tensor).data, [batch, classes]),
        rate: runtimeTensor('float32', Float32Array.of(corrected), []),
        ...Object.fromEntries(slots.map(({ name, current }) => [name, current])),
      };
      await session.run(inputs, { loss, ...Object.fromEntries(slots.map(({ name, next }) => [`${name}.next`, next])) });
      for (const slot of slots) [slot.current, slot.next] = [slot.next, slot.current];
      return (loss.data as Float32Array)[0] ?? Number.NaN;
    },
    close: () => session.release(),
  };
}

function naiveGraph(weights: readonly (readonly [string, readonly number[]])[]): Model {
  const builder = createGraphBuilder('naive');
  const add = (...node: Parameters<typeof builder.add>): string => builder.add(...node);
  const image = builder.input('image', 'float32', [batch, 1, side, side]);
  const targets = builder.input('targets', 'float32', [batch, classes]);
  const learningRate = builder.input('rate', 'float32', []);
  for (const [name, dims] of weights) for (const part of ['', '.mean', '.square']) builder.input(name + part, 'float32', dims);
  const number = (value: number): string => builder.constant(scalar(value));
  const numbers = (...values: number[]): string => builder.constant(longs(values));
  const reshape = (value: string, ...dims: number[]): string => add('Reshape', [value, numbers(...dims)]);
  const sumOver = (value: string, ...axes: number[]): string => add('ReduceSum', [value, numbers(...axes)], { keepdims: int(0) });
  const masked = (gradient: string, output: string): string => add('Where', [add('Greater', [output, number(0)]), gradient, number(0)]);
  const pads = { pads: ints([1, 1, 1, 1]) };
  const conv = (x: string, name: string): string => add('Relu', [add('Conv', [x, `${name}.weight`, `${name}.bias`], pads)]);
  const pool = (x: string): [string, string] => {
    const outputs = [builder.fresh('pooled'), builder.fresh('places')] as [string, string];
    add('MaxPool', [x], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) }, outputs);
    return outputs;
  };
  const unpool = (gradient: string, places: string, ...dims: number[]): string => {
    const none = builder.constant(floats([elementCount(dims)], new Float32Array(elementCount(dims))));
    const scattered = add('ScatterElements', [none, reshape(places, -1), reshape(gradient, -1)], { axis: int(0), reduction: text('add') });
    return reshape(scattered, ...dims);
  };
  const exchanged = (value: string): string => add('Transpose', [value], { perm: ints([1, 0, 2, 3]) });
  const weightGradient = (x: string, gradient: string): string => exchanged(add('Conv', [exchanged(x), exchanged(gradient)], pads));

  const first = conv(image, 'conv16');
  const [pooled, places] = pool(first);
  const second = conv(pooled, 'conv32');
  const [deepest, deepestPlaces] = pool(second);
  const flat = reshape(deepest, batch, -1);
  const hidden = add('Relu', [add('Gemm', [flat, 'hidden.weight', 'hidden.bias'], { transB: int(1) })]);
  const scores = add('Gemm', [hidden, 'scores.weight', 'scores.bias'], { transB: int(1) });
  const likelihoods = add('LogSoftmax', [scores], { axis: int(-1) });
  add('Mul', [sumOver(add('Mul', [targets, likelihoods]), 0, 1), number(-1 / batch)], {}, ['loss']);
  builder.output('loss', 'float32', []);

  const ofScores = add('Mul', [add('Sub', [add('Exp', [likelihoods]), targets]), number(1 / batch)]);
  const ofHidden = masked(add('Gemm', [ofScores, 'scores.weight']), hidden);
  const ofDeepest = reshape(add('Gemm', [ofHidden, 'hidden.weight']), batch, 32, side / 4, side / 4);
  const ofSecond = masked(unpool(ofDeepest, deepestPlaces, batch, 32, side / 2, side / 2), second);
  const ofFirst = masked(unpool(add('ConvTranspose', [ofSecond, 'conv32.weight'], pads), places, batch, 16, side, side), first);
  const gradients: Record<string, string> = {
    'scores.weight': add('Gemm', [ofScores, hidden], { transA: int(1) }),
    'scores.bias': sumOver(ofScores, 0),
    'hidden.weight': add('Gemm', [ofHidden, flat], { transA: int(1) }),
    'hidden.bias': sumOver(ofHidden, 0),
    'conv32.weight': weightGradient(pooled, ofSecond),
    'conv32.bias': sumOver(ofSecond, 0, 2, 3),
    'conv16.weight': weightGradient(image, ofFirst),
    'conv16.bias': sumOver(ofFirst, 0, 2, 3),
  };
  for (const [name, dims] of weights) {
    const gradient = gradients[name] ?? '';
    const blend = (part: string, value: string, share: number): string =>
      add('Add', [add('Mul', [name + part, number(1 - share)]), add('Mul', [value, number(share)])], {}, [`${name}${part}.next`]);
    const mean = blend('.mean', gradient, 0.1);
    const square = blend('.square', add('Mul', [gradient, gradient]), 0.001);
    const move = add('Div', [add('Mul', [mean, learningRate]), add('Add', [add('Sqrt', [square]), number(1e-7)])]);
    add('Sub', [name, move], {}, [`${name}.next`]);
    for (const part of ['', '.mean', '.square']) builder.output(`${name}${part}.next`, 'float32', dims);
  }
  return createModel(builder.finish());
}
