import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';

import type { Model, Tensor } from '../../onnx/graph.ts';
import type { Contender } from './naive.ts';
import { classes, rate, side } from './network.ts';

/** The reference network in TensorFlow.js on its CPU backend, from the same weights; `count` examples a step. */
export async function openTfjs(model: Model, count: number): Promise<Contender> {
  await tf.setBackend('cpu');
  registerGradients();
  // Filters there are [height, width, in, out], dense weights [in, out].
  const orders: Record<number, number[]> = { 1: [0], 2: [1, 0], 4: [2, 3, 1, 0] };
  const variable = (name: string): tf.Tensor & tf.Variable => {
    const { dims, data } = model.graph.initialisers.get(name) as Tensor<'float32'>;
    return tf.variable(tf.transpose(tf.tensor(data.slice(), [...dims]), orders[dims.length]));
  };
  const layer = (name: string) => ({ weight: variable(`${name}.weight`), bias: variable(`${name}.bias`) });
  type Layer = ReturnType<typeof layer>;
  const convs = ['conv16', 'conv32'].map(layer);
  const [hidden, scores] = [layer('hidden'), layer('scores')];
  const variables = [...convs, hidden, scores].flatMap(({ weight, bias }) => [weight, bias]);
  const optimiser = tf.train.adam(rate);
  const dense = (x: tf.Tensor, { weight, bias }: Layer): tf.Tensor => tf.add(tf.matMul(x, weight), bias);
  const crossEntropy = tf.customGrad((...given) => {
    const [logits, targets, save] = given as unknown as [tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    const likelihoods = tf.logSoftmax(logits);
    save([tf.div(tf.sub(tf.softmax(logits), targets), count)]);
    const gradFunc = (_: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] => [saved[0] as tf.Tensor, tf.zerosLike(targets)];
    return { value: tf.neg(tf.mean(tf.sum(tf.mul(targets, likelihoods), 1))), gradFunc };
  });
  const lossOf = (images: tf.Tensor4D, targets: tf.Tensor): tf.Scalar => {
    let x: tf.Tensor4D = images;
    for (const { weight, bias } of convs) {
      const convolved = tf.conv2d(x, weight as tf.Tensor as tf.Tensor4D, 1, 'same');
      x = tf.maxPool(tf.relu(tf.add(convolved, bias)) as tf.Tensor4D, 2, 2, 'valid');
    }
    // The dense weights count channels first.
    const flat = tf.reshape(tf.transpose(x, [0, 3, 1, 2]), [count, (side / 4) ** 2 * 32]);
    return crossEntropy(dense(tf.relu(dense(flat, hidden)), scores), targets) as tf.Scalar;
  };
  return {
    step: async ({ feeds, targets }) => {
      const images = (feeds['image'] as Tensor<'float32'>).data.slice(0, count * side * side);
      const wanted = (targets['targets'] as Tensor<'float32'>).data.slice(0, count * classes);
      const loss = tf.tidy(
        () =>
          optimiser.minimize(() => lossOf(tf.tensor4d(images, [count, side, side, 1]), tf.tensor2d(wanted, [count, classes])), true, variables) as tf.Scalar,
      );
      const [value = Number.NaN] = await loss.data();
      loss.dispose();
      return value;
    },
    close: async () => {
      tf.dispose(variables);
      optimiser.dispose();
    },
  };
}

/** The package's build for Node comes without gradients: those needed here, by the kernels that it uses elsewhere. */
function registerGradients(): void {
  const run = (kernel: string, inputs: Record<string, tf.Tensor>, attributes: object | undefined): tf.Tensor =>
    tf.engine().runKernel(kernel, inputs, attributes as tf.NamedAttrMap);
  const sumTo = (gradient: tf.Tensor, shape: number[]): tf.Tensor => {
    const axes = Array.from({ length: gradient.rank - shape.length }, (_, axis) => axis);
    return axes.length === 0 ? gradient : tf.sum(gradient, axes);
  };
  type Rule = (gradient: tf.Tensor, saved: tf.Tensor[], attributes: tf.NamedAttrMap) => Record<string, () => tf.Tensor>;
  const register = (kernelName: string, inputsToSave: string[], rule: Rule, outputsToSave: boolean[] = []): void =>
    tf.registerGradient({ kernelName, inputsToSave, outputsToSave, gradFunc: (gradient, saved, attributes) => rule(gradient as tf.Tensor, saved, attributes) });
  const both = (saved: tf.Tensor[]): [tf.Tensor, tf.Tensor] => saved as [tf.Tensor, tf.Tensor];

  register('Relu', ['x'], (gradient, saved) => ({ x: () => tf.mul(gradient, tf.step(both(saved)[0])) }));
  register('Reshape', ['x'], (gradient, saved) => ({ x: () => tf.reshape(gradient, both(saved)[0].shape) }));
  register('Transpose', [], (gradient, _, { perm }) => {
    const order = perm as unknown as number[];
    return {
      x: () =>
        tf.transpose(
          gradient,
          order.map((_axis, axis) => order.indexOf(axis)),
        ),
    };
  });
  register('Add', ['a', 'b'], (gradient, saved) => {
    const [a, b] = both(saved);
    return { a: () => sumTo(gradient, a.shape), b: () => sumTo(gradient, b.shape) };
  });
  register('BatchMatMul', ['a', 'b'], (gradient, saved) => {
    const [a, b] = both(saved);
    return { a: () => tf.matMul(gradient, b, false, true), b: () => tf.matMul(a, gradient, true, false) };
  });
  register(
    'MaxPool',
    ['x'],
    (gradient, saved, attributes) => {
      const [input, output] = both(saved);
      return { x: () => run('MaxPoolGrad', { dy: gradient, input, output }, attributes) };
    },
    [true],
  );
  register('Conv2D', ['x', 'filter'], (gradient, saved, attributes) => {
    const [x, filter] = both(saved);
    return {
      x: () => run('Conv2DBackpropInput', { dy: gradient, filter }, { ...attributes, inputShape: x.shape }),
      filter: () => run('Conv2DBackpropFilter', { x, dy: gradient }, { ...attributes, filterShape: filter.shape }),
    };
  });
}
