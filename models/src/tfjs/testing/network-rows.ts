import type * as Layers from '@tensorflow/tfjs-layers';

import type { Tfjs } from '../runtime.ts';
import type { Row } from './layer-rows.ts';

type Symbols = Layers.SymbolicTensor;
type Shape = readonly (number | null)[];

/** Inputs of these shapes, merged. */
function merging(what: string, shapes: readonly Shape[], merge: (tf: Tfjs, inputs: Symbols[]) => Symbols): Row {
  return {
    what,
    build: (tf) => {
      const inputs = shapes.map((shape) => tf.input({ shape: shape as number[] }));
      return tf.model({ inputs, outputs: merge(tf, inputs) });
    },
  };
}

const apply = (layer: Layers.layers.Layer, ...inputs: Symbols[]): Symbols => layer.apply(inputs.length === 1 ? (inputs[0] as Symbols) : inputs) as Symbols;

const image = [6, 5, 3];

export const mergeRows: readonly Row[] = [
  ...(['add', 'multiply', 'average', 'maximum', 'minimum'] as const).flatMap((kind) => [
    merging(`${kind} of three`, [[4], [4], [4]], (tf, inputs) => apply(tf.layers[kind](), ...inputs)),
    merging(`${kind} of an image and one number a channel`, [image, [3]], (tf, inputs) => apply(tf.layers[kind](), ...inputs)),
    merging(`${kind} behind convolutions`, [image, image], (tf, inputs) =>
      apply(tf.layers[kind](), ...inputs.map((each) => apply(tf.layers.conv2d({ filters: 4, kernelSize: 2 }), each))),
    ),
  ]),
  merging('concatenate vectors', [[4], [3]], (tf, inputs) => apply(tf.layers.concatenate(), ...inputs)),
  merging(
    'concatenate along axis 1',
    [
      [2, 4],
      [3, 4],
    ],
    (tf, inputs) => apply(tf.layers.concatenate({ axis: 1 }), ...inputs),
  ),
  merging('concatenate convolutions and their input', [image], (tf, [x]) => {
    const input = x as Symbols;
    return apply(tf.layers.concatenate(), input, ...[1, 3].map((size) => apply(tf.layers.conv2d({ filters: 4, kernelSize: size, padding: 'same' }), input)));
  }),
  merging('dot of vectors', [[4], [4]], (tf, inputs) => apply(tf.layers.dot({ axes: 1 }), ...inputs)),
  merging('dot of normalised vectors', [[4], [4]], (tf, inputs) => apply(tf.layers.dot({ axes: -1, normalize: true }), ...inputs)),
  merging(
    'dot of matrices',
    [
      [2, 4],
      [4, 3],
    ],
    (tf, inputs) => apply(tf.layers.dot({ axes: [2, 1] }), ...inputs),
  ),
  merging(
    'dot of matrices by their rows',
    [
      [4, 2],
      [4, 3],
    ],
    (tf, inputs) => apply(tf.layers.dot({ axes: 1 }), ...inputs),
  ),
  merging(
    'dot of matrices by their columns',
    [
      [2, 4],
      [3, 4],
    ],
    (tf, inputs) => apply(tf.layers.dot({ axes: 2, normalize: true }), ...inputs),
  ),
  merging('dot of a matrix and a vector', [[3, 4], [4]], (tf, inputs) => apply(tf.layers.dot({ axes: [2, 1] }), ...inputs)),
  merging('dot of a vector and a matrix', [[4], [4, 3]], (tf, inputs) => apply(tf.layers.dot({ axes: [1, 1] }), ...inputs)),
];

const recurrent = { recurrentInitializer: 'zeros' } as const;

/** The building block of MobileNet: a depthwise and a pointwise convolution, normalised and clipped. */
function mobileBlock(tf: Tfjs, x: Symbols, filters: number, strides: number): Symbols {
  const { layers } = tf;
  const padded =
    strides === 1
      ? x
      : apply(
          layers.zeroPadding2d({
            padding: [
              [0, 1],
              [0, 1],
            ],
          }),
          x,
        );
  const deep = apply(layers.depthwiseConv2d({ kernelSize: 3, strides, padding: strides === 1 ? 'same' : 'valid', useBias: false }), padded);
  const first = apply(layers.reLU({ maxValue: 6 }), apply(layers.batchNormalization({ epsilon: 1e-3 }), deep));
  const wide = apply(layers.conv2d({ filters, kernelSize: 1, padding: 'same', useBias: false }), first);
  return apply(layers.reLU({ maxValue: 6 }), apply(layers.batchNormalization(), wide));
}

export function mobileNetwork(tf: Tfjs, side: number, width: number): Layers.LayersModel {
  const { layers } = tf;
  const input = tf.input({ shape: [side, side, 3], name: 'image' });
  let x = apply(
    layers.conv2d({ filters: width, kernelSize: 3, strides: 2, padding: 'same', useBias: false }),
    apply(layers.rescaling({ scale: 1 / 127.5, offset: -1 }), input),
  );
  x = apply(layers.reLU({ maxValue: 6 }), apply(layers.batchNormalization(), x));
  x = mobileBlock(tf, x, width * 2, 1);
  x = mobileBlock(tf, x, width * 4, 2);
  x = mobileBlock(tf, x, width * 4, 1);
  const pooled = apply(layers.dropout({ rate: 0.2 }), apply(layers.globalAveragePooling2d({}), x));
  return tf.model({ inputs: input, outputs: apply(layers.dense({ units: 5, activation: 'softmax', name: 'classes' }), pooled), name: 'mobile' });
}

/** Words of 8 steps to one of three classes. */
export function textClassifier(tf: Tfjs): Layers.LayersModel {
  const { layers } = tf;
  return tf.sequential({
    name: 'text',
    layers: [
      layers.embedding({ inputDim: 50, outputDim: 6, inputLength: 8 }),
      layers.spatialDropout1d({ rate: 0.1 }),
      layers.bidirectional({ layer: layers.lstm({ units: 5, returnSequences: true, ...recurrent }), mergeMode: 'concat' }),
      layers.lstm({ units: 4, dropout: 0.2, recurrentDropout: 0.2, ...recurrent }),
      layers.dense({ units: 3, activation: 'softmax', name: 'topic' }),
    ],
  });
}

const withStates = (kind: 'lstm' | 'gru' | 'simpleRNN', unroll: boolean): Row => ({
  what: `${kind} that takes its states and gives them back${unroll ? ', step by step' : ''}`,
  build: (tf) => {
    const x = tf.input({ shape: [5, 4] });
    const states = Array.from({ length: kind === 'lstm' ? 2 : 1 }, () => tf.input({ shape: [3] }));
    const made = tf.layers[kind]({ units: 3, returnSequences: true, returnState: true, ...recurrent }).apply([x, ...states]) as Symbols[];
    return tf.model({ inputs: [x, ...states], outputs: made });
  },
  options: { unroll },
});

const bidirectionalStates = (mergeMode: 'concat' | null): Row => ({
  what: `bidirectional with both ${mergeMode === null ? 'results apart' : 'joined'} and all states`,
  build: (tf) => {
    const x = tf.input({ shape: [5, 4] });
    const inner = tf.layers.lstm({ units: 3, returnState: true, returnSequences: true, ...recurrent });
    return tf.model({ inputs: x, outputs: tf.layers.bidirectional({ layer: inner, mergeMode: mergeMode as 'concat' }).apply(x) as Symbols[] });
  },
});

export const networkRows: readonly Row[] = [
  { what: 'a network of MobileNet blocks', build: (tf) => mobileNetwork(tf, 24, 4) },
  { what: 'a text classifier', build: textClassifier },
  { what: 'a text classifier, step by step', build: textClassifier, options: { unroll: true } },
  withStates('lstm', false),
  withStates('gru', false),
  withStates('simpleRNN', false),
  withStates('lstm', true),
  withStates('gru', true),
  bidirectionalStates('concat'),
  bidirectionalStates(null),
  {
    what: 'an LSTM of an open number of steps',
    build: (tf) => {
      const x = tf.input({ shape: [null, 4] as number[] });
      const inner = tf.layers.bidirectional({ layer: tf.layers.gru({ units: 3, returnSequences: true, ...recurrent }), mergeMode: 'concat' });
      return tf.model({ inputs: x, outputs: apply(tf.layers.timeDistributed({ layer: tf.layers.dense({ units: 2 }) }), apply(inner, x)) });
    },
  },
  {
    what: 'words and numbers as whole-number and float inputs',
    build: (tf) => {
      const [words, numbers] = [tf.input({ shape: [4], dtype: 'int32', name: 'words' }), tf.input({ shape: [3], name: 'numbers' })];
      const text = apply(tf.layers.flatten(), apply(tf.layers.embedding({ inputDim: 9, outputDim: 2 }), words));
      return tf.model({
        inputs: [words, numbers],
        outputs: apply(tf.layers.dense({ units: 1, activation: 'sigmoid' }), apply(tf.layers.concatenate(), text, numbers)),
      });
    },
  },
  {
    what: 'squeeze and excitation',
    build: (tf) => {
      const x = tf.input({ shape: image });
      const features = apply(tf.layers.conv2d({ filters: 4, kernelSize: 3, activation: 'swish' }), x);
      const squeezed = apply(tf.layers.reshape({ targetShape: [1, 1, 4] }), apply(tf.layers.globalAveragePooling2d({}), features));
      const weights = apply(tf.layers.conv2d({ filters: 4, kernelSize: 1, activation: 'sigmoid' }), squeezed);
      return tf.model({ inputs: x, outputs: apply(tf.layers.multiply(), features, weights) });
    },
  },
  {
    what: 'one layer and one nested model shared by two inputs, with three outputs',
    build: (tf) => {
      const [a, b] = [tf.input({ shape: [6], name: 'left' }), tf.input({ shape: [6], name: 'right' })];
      const shared = tf.layers.dense({ units: 5, activation: 'tanh', name: 'shared' });
      const inner = tf.sequential({
        name: 'inner',
        layers: [tf.layers.dense({ units: 4, inputShape: [5], activation: 'relu' }), tf.layers.dropout({ rate: 0.5 })],
      });
      const x = tf.input({ shape: [4] });
      const gate = tf.model({ inputs: x, outputs: [apply(tf.layers.activation({ activation: 'sigmoid' }), x), x], name: 'gate' });
      const [left, right] = [a, b].map((each) => apply(inner as unknown as Layers.layers.Layer, apply(shared, each))) as [Symbols, Symbols];
      const [open, same] = gate.apply(left) as unknown as [Symbols, Symbols];
      const mixed = apply(tf.layers.multiply(), open, right);
      return tf.model({ inputs: [a, b], outputs: [mixed, same, apply(tf.layers.dot({ axes: 1, normalize: true }), left, right)], name: 'twins' });
    },
  },
  {
    what: 'a model in a model in a Sequential model',
    build: (tf) => {
      const core = tf.sequential({
        name: 'core',
        layers: [tf.layers.conv2d({ inputShape: [8, 8, 2], filters: 3, kernelSize: 3, activation: 'relu' }), tf.layers.maxPooling2d({ poolSize: 2 })],
      });
      const x = tf.input({ shape: [8, 8, 2] });
      const around = tf.model({ inputs: x, outputs: apply(tf.layers.batchNormalization(), apply(core as unknown as Layers.layers.Layer, x)), name: 'around' });
      return tf.sequential({ layers: [around as unknown as Layers.layers.Layer, tf.layers.flatten(), tf.layers.dense({ units: 2 })] });
    },
  },
  {
    what: 'an input given out beside one value given out twice',
    build: (tf) => {
      const x = tf.input({ shape: [3] });
      const y = apply(tf.layers.dense({ units: 3 }), x);
      return tf.model({ inputs: x, outputs: [x, y, apply(tf.layers.dropout({ rate: 0.5 }), y)] });
    },
  },
];
