import type * as Layers from '@tensorflow/tfjs-layers';

import type { ImportOptions } from '../import-model.ts';
import { activationNames } from '../layers/activation.ts';
import type { Tfjs } from '../runtime.ts';

type Make = typeof Layers.layers;
type Shape = readonly (number | null)[];

/** A model to be imported, by what it shows. */
export interface Row {
  readonly what: string;
  readonly build: (tf: Tfjs) => Layers.LayersModel;
  readonly options?: ImportOptions;
}

/** A chain of layers; the shape is that of one example. */
export function layer(what: string, shape: Shape, make: (make: Make) => Layers.layers.Layer | Layers.layers.Layer[], options?: ImportOptions): Row {
  const build = (tf: Tfjs): Layers.LayersModel => {
    const model = tf.sequential();
    for (const each of [tf.layers.inputLayer({ inputShape: shape as number[] }), make(tf.layers)].flat()) model.add(each);
    return model;
  };
  return options === undefined ? { what, build } : { what, build, options };
}

const image = [7, 6, 3];
const steps = [5, 4];

export const layerRows: readonly Row[] = [
  layer('Dense', [5], (make) => make.dense({ units: 4 })),
  layer('Dense without bias, of matrices', [3, 5], (make) => make.dense({ units: 4, useBias: false, activation: 'relu' })),
  layer('Dense of images', image, (make) => make.dense({ units: 4, activation: 'softmax' })),
  ...activationNames.map((name) => layer(`Activation ${name}`, [3, 5], (make) => make.activation({ activation: name as 'relu' }))),
  ...activationNames.map((name) =>
    layer(`Activation ${name} behind a convolution`, image, (make) => [make.conv2d({ filters: 4, kernelSize: 2, activation: name as 'relu' })]),
  ),
  ...(['valid', 'same'] as const).flatMap((padding) => [
    layer(`Conv1D ${padding}`, [9, 3], (make) => make.conv1d({ filters: 4, kernelSize: 3, padding })),
    layer(`Conv1D ${padding}, strides`, [9, 3], (make) => make.conv1d({ filters: 4, kernelSize: 4, strides: 2, padding, useBias: false })),
    layer(`Conv1D ${padding}, dilation`, [9, 3], (make) => make.conv1d({ filters: 4, kernelSize: 3, dilationRate: 2, padding, activation: 'tanh' })),
    layer(`Conv2D ${padding}`, image, (make) => make.conv2d({ filters: 4, kernelSize: [3, 2], padding })),
    layer(`Conv2D ${padding}, strides`, image, (make) => make.conv2d({ filters: 4, kernelSize: 3, strides: [2, 3], padding, activation: 'relu' })),
    layer(`Conv2D ${padding}, dilation`, image, (make) => make.conv2d({ filters: 4, kernelSize: 2, dilationRate: [2, 3], padding, useBias: false })),
    layer(`Conv2D ${padding}, channels first`, [3, 7, 6], (make) => make.conv2d({ filters: 4, kernelSize: 3, padding, dataFormat: 'channelsFirst' })),
    layer(`Conv2D ${padding}, open size`, [null, null, 3], (make) => make.conv2d({ filters: 4, kernelSize: 3, padding, strides: 2 })),
    layer(`DepthwiseConv2D ${padding}`, image, (make) => make.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, padding })),
    layer(`DepthwiseConv2D ${padding}, strides`, image, (make) =>
      make.depthwiseConv2d({ kernelSize: [3, 2], strides: 2, padding, useBias: false, activation: 'relu6' }),
    ),
    layer(`SeparableConv2D ${padding}`, image, (make) => make.separableConv2d({ filters: 5, kernelSize: 3, depthMultiplier: 2, padding })),
    layer(`SeparableConv2D ${padding}, strides`, image, (make) => make.separableConv2d({ filters: 5, kernelSize: 3, strides: 2, padding, useBias: false })),
    layer(`Conv2DTranspose ${padding}`, image, (make) => make.conv2dTranspose({ filters: 4, kernelSize: 3, padding })),
    layer(`Conv2DTranspose ${padding}, strides`, image, (make) =>
      make.conv2dTranspose({ filters: 4, kernelSize: [3, 4], strides: 2, padding, activation: 'relu' }),
    ),
    layer(`Conv2DTranspose ${padding}, strides beyond the kernel`, image, (make) =>
      make.conv2dTranspose({ filters: 4, kernelSize: 2, strides: 3, padding, useBias: false }),
    ),
    ...(['maxPooling1d', 'averagePooling1d'] as const).flatMap((pool) => [
      layer(`${pool} ${padding}`, [9, 3], (make) => make[pool]({ poolSize: 2, padding })),
      layer(`${pool} ${padding}, strides`, [9, 3], (make) => make[pool]({ poolSize: 3, strides: 2, padding })),
    ]),
    ...(['maxPooling2d', 'averagePooling2d'] as const).flatMap((pool) => [
      layer(`${pool} ${padding}`, image, (make) => make[pool]({ poolSize: 2, padding })),
      layer(`${pool} ${padding}, strides`, image, (make) => make[pool]({ poolSize: [3, 2], strides: [2, 1], padding })),
      layer(`${pool} ${padding}, channels first`, [3, 7, 6], (make) => make[pool]({ poolSize: 3, strides: 2, padding, dataFormat: 'channelsFirst' })),
    ]),
  ]),
  layer('Conv2D, one number for both axes', [8, 8, 1], (make) => make.conv2d({ filters: 2, kernelSize: 1 })),
  layer('SeparableConv2D, dilation', [9, 9, 3], (make) => make.separableConv2d({ filters: 5, kernelSize: 3, dilationRate: 2 })),
  ...(['globalMaxPooling1d', 'globalAveragePooling1d'] as const).flatMap((pool) => [
    layer(`${pool}`, [9, 3], (make) => make[pool]()),
    layer(`${pool} behind a convolution`, [9, 3], (make) => [make.conv1d({ filters: 4, kernelSize: 3 }), make[pool]()]),
  ]),
  ...(['globalMaxPooling2d', 'globalAveragePooling2d'] as const).flatMap((pool) => [
    layer(`${pool}`, image, (make) => make[pool]({})),
    layer(`${pool} behind a convolution`, image, (make) => [make.conv2d({ filters: 4, kernelSize: 3 }), make[pool]({})]),
    layer(`${pool}, channels first`, [3, 7, 6], (make) => make[pool]({ dataFormat: 'channelsFirst' })),
  ]),
  layer('BatchNormalization of vectors', [5], (make) => make.batchNormalization()),
  layer('BatchNormalization of sequences', steps, (make) => make.batchNormalization({ epsilon: 0.01, scale: false })),
  layer('BatchNormalization of images', image, (make) => make.batchNormalization({ center: false })),
  layer('LayerNormalization', steps, (make) => make.layerNormalization()),
  layer('LayerNormalization of images along two axes', image, (make) => [
    make.conv2d({ filters: 4, kernelSize: 3 }),
    make.layerNormalization({ axis: [-2, -1], epsilon: 0.01 }),
  ]),
  layer('LayerNormalization without scale', steps, (make) => make.layerNormalization({ scale: false })),
  layer('LayerNormalization without shift', steps, (make) => make.layerNormalization({ center: false })),
  layer('ReLU', steps, (make) => make.reLU()),
  layer('ReLU with a highest value', steps, (make) => make.reLU({ maxValue: 0.5 })),
  layer('LeakyReLU', steps, (make) => make.leakyReLU()),
  layer('LeakyReLU with a slope', steps, (make) => make.leakyReLU({ alpha: 0.1 })),
  layer('PReLU', steps, (make) => make.prelu({})),
  layer('PReLU of images', image, (make) => [make.conv2d({ filters: 4, kernelSize: 3 }), make.prelu({})]),
  layer('PReLU of images with shared slopes', image, (make) => [make.conv2d({ filters: 4, kernelSize: 3 }), make.prelu({ sharedAxes: [1, 2] })]),
  layer('PReLU of sequences', steps, (make) => [make.simpleRNN({ units: 3, returnSequences: true, recurrentInitializer: 'zeros' }), make.prelu({})]),
  layer('ELU', steps, (make) => make.elu()),
  layer('ThresholdedReLU', steps, (make) => make.thresholdedReLU({ theta: 0.4 })),
  layer('Softmax along its usual axis', [5], (make) => make.softmax()),
  layer('Softmax along the last axis', image, (make) => [make.conv2d({ filters: 4, kernelSize: 3 }), make.softmax({ axis: -1 })]),
  layer('Rescaling', image, (make) => make.rescaling({ scale: 0.5, offset: -1 })),
  layer('Rescaling by a factor only', image, (make) => make.rescaling({ scale: 1 / 255 })),
  layer('Dropout', steps, (make) => make.dropout({ rate: 0.4 })),
  layer('SpatialDropout1D', steps, (make) => make.spatialDropout1d({ rate: 0.4 })),
  layer('GaussianNoise', steps, (make) => make.gaussianNoise({ stddev: 1 })),
  layer('GaussianDropout', steps, (make) => make.gaussianDropout({ rate: 0.4 })),
  layer('AlphaDropout', steps, (make) => make.alphaDropout({ rate: 0.4 })),
  layer('Flatten', image, (make) => [make.conv2d({ filters: 4, kernelSize: 3 }), make.flatten()]),
  layer('Flatten where one place is left', [3, 3, 2], (make) => [make.conv2d({ filters: 4, kernelSize: 3 }), make.flatten()]),
  layer('Flatten, channels first', [3, 7, 6], (make) => make.flatten({ dataFormat: 'channelsFirst' })),
  layer('Reshape', image, (make) => make.reshape({ targetShape: [6, 21] })),
  layer('Reshape with an open size', image, (make) => [make.conv2d({ filters: 4, kernelSize: 3 }), make.reshape({ targetShape: [-1, 4, 2] })]),
  layer('Permute', image, (make) => make.permute({ dims: [3, 1, 2] })),
  layer('Permute behind a convolution', image, (make) => [make.conv2d({ filters: 4, kernelSize: 3 }), make.permute({ dims: [2, 1, 3] })]),
  layer('RepeatVector', [5], (make) => make.repeatVector({ n: 3 })),
  layer('ZeroPadding2D', image, (make) => make.zeroPadding2d()),
  layer('ZeroPadding2D by sides', image, (make) => [
    make.conv2d({ filters: 2, kernelSize: 2 }),
    make.zeroPadding2d({
      padding: [
        [1, 2],
        [0, 3],
      ],
    }),
  ]),
  layer('ZeroPadding2D, channels first', [3, 7, 6], (make) => make.zeroPadding2d({ padding: [1, 2], dataFormat: 'channelsFirst' })),
  layer('Cropping2D', image, (make) => make.cropping2D({ cropping: 1 as unknown as [number, number] })),
  layer('Cropping2D by sides', image, (make) => [
    make.conv2d({ filters: 2, kernelSize: 2 }),
    make.cropping2D({
      cropping: [
        [1, 0],
        [0, 3],
      ],
    }),
  ]),
  layer('Cropping2D, channels first', [3, 7, 6], (make) => make.cropping2D({ cropping: [1, 2], dataFormat: 'channelsFirst' })),
  layer('UpSampling2D', image, (make) => make.upSampling2d({ size: [2, 3] })),
  layer('UpSampling2D, bilinear', image, (make) => make.upSampling2d({ size: [3, 2], interpolation: 'bilinear' })),
  layer('UpSampling2D, channels first', [3, 7, 6], (make) => make.upSampling2d({ dataFormat: 'channelsFirst' })),
  layer('Embedding', [6], (make) => make.embedding({ inputDim: 11, outputDim: 4 })),
  layer('Embedding of an open number of words', [null], (make) => make.embedding({ inputDim: 11, outputDim: 4 })),
  layer('Embedding that skips zero', [6], (make) => [
    make.embedding({ inputDim: 3, outputDim: 4, maskZero: true }),
    make.lstm({ units: 3, recurrentInitializer: 'zeros' }),
  ]),
  ...(['concat', 'ave'] as const).map((mergeMode) =>
    layer(`Embedding that skips zero in both directions, ${mergeMode}`, [6], (make) => [
      make.embedding({ inputDim: 3, outputDim: 4, maskZero: true }),
      make.dropout({ rate: 0.2 }),
      make.bidirectional({ layer: make.lstm({ units: 3, recurrentInitializer: 'zeros', returnSequences: true }), mergeMode }),
      make.timeDistributed({ layer: make.dense({ units: 2 }) }),
      make.gru({ units: 2, recurrentInitializer: 'zeros' }),
    ]),
  ),
  layer('Masking', [4, 1], (make) => [
    make.reLU(),
    make.masking({ maskValue: 0 }),
    make.gru({ units: 3, recurrentInitializer: 'zeros', returnSequences: true }),
  ]),
  layer('TimeDistributed Dense', [null, 4], (make) => make.timeDistributed({ layer: make.dense({ units: 3, activation: 'relu' }) })),
  layer('TimeDistributed Conv2D', [4, ...image], (make) => make.timeDistributed({ layer: make.conv2d({ filters: 2, kernelSize: 3, activation: 'relu' }) })),
  layer('TimeDistributed Flatten', [4, ...image], (make) => make.timeDistributed({ layer: make.flatten() as never })),
];

/** Recurrent layers, as operators and step by step. */
export const recurrentRows: readonly Row[] = [false, true].flatMap((unroll) =>
  (['lstm', 'gru', 'simpleRNN'] as const).flatMap((kind) => {
    const base = { units: 3, recurrentInitializer: 'zeros' } as const;
    const row = (what: string, args: object): Row =>
      layer(`${kind} ${what}${unroll ? ', step by step' : ''}`, steps, (make) => make[kind]({ ...base, ...args }), { unroll });
    return [
      row('last state', {}),
      row('sequences', { returnSequences: true }),
      row('backwards', { goBackwards: true }),
      row('sequences backwards', { goBackwards: true, returnSequences: true }),
      row('without bias', { useBias: false, returnSequences: true }),
      ...['linear', 'relu', 'elu', 'sigmoid', 'hardSigmoid', 'softplus', 'softsign', 'gelu'].map((activation) =>
        row(`with ${activation}`, { activation, recurrentActivation: 'sigmoid' }),
      ),
      ...['sigmoid', 'hardSigmoid', 'tanh', 'swish'].map((recurrentActivation) => row(`with ${recurrentActivation} gates`, { recurrentActivation })),
      ...(['concat', 'sum', 'ave', 'mul'] as const).flatMap((mergeMode) =>
        [false, true].map((returnSequences) =>
          layer(
            `bidirectional ${kind} ${mergeMode} ${returnSequences ? 'sequences' : ''}${unroll ? ', step by step' : ''}`,
            steps,
            (make) => make.bidirectional({ layer: make[kind]({ ...base, returnSequences }), mergeMode }),
            { unroll },
          ),
        ),
      ),
      layer(
        `bidirectional ${kind}, the forward one backwards${unroll ? ', step by step' : ''}`,
        steps,
        (make) => make.bidirectional({ layer: make[kind]({ ...base, returnSequences: true, goBackwards: true }), mergeMode: 'concat' }),
        { unroll },
      ),
    ];
  }),
);
