import { seededRandom } from '@serin/inference/random';
import { frameChannels, frameHeight, frameWidth, sceneLabels } from '@serin/inference/scene';

import { createGraphBuilder } from '../../onnx/builder.ts';
import { createModel, int, ints, scalar, type Model } from '../../onnx/graph.ts';
import { heNormal, zeros } from '../../train/initialise.ts';
import { castTo } from '../../train/tape.ts';

export const frameInput = 'frame';
export const probabilitiesOutput = 'probabilities';
export const logitsName = 'logits';

interface ConvLayer {
  readonly name: string;
  readonly filters: number;
  readonly kernel: number;
}

/** Every convolution halves the picture: downsampling by stride costs no pooling. */
const layers: readonly ConvLayer[] = [
  { name: 'conv1', filters: 12, kernel: 5 },
  { name: 'conv2', filters: 24, kernel: 3 },
  { name: 'conv3', filters: 32, kernel: 3 },
];
const hidden = 48;

/** The deployment graph with fresh weights: raw uint8 NHWC frames in, probabilities out. */
export function createNetwork(seed: number): Model {
  const random = seededRandom(seed).fork('initialise');
  const builder = createGraphBuilder('picker');
  builder.input(frameInput, 'uint8', ['N', frameHeight, frameWidth, frameChannels]);

  const cast = builder.add('Cast', [frameInput], castTo('float32'));
  const scaled = builder.add('Mul', [cast, builder.constant(scalar(1 / 255), 'frame.scale')]);
  let value = builder.add('Transpose', [scaled], { perm: ints([0, 3, 1, 2]) });
  let channels = frameChannels;
  let size = frameWidth;

  for (const { name, filters, kernel } of layers) {
    const inputs = channels * kernel * kernel;
    const weight = builder.constant(heNormal(random.fork(name), [filters, channels, kernel, kernel], inputs), `${name}.weight`);
    const bias = builder.constant(zeros([filters]), `${name}.bias`);
    const pad = (kernel - 1) / 2;
    const conv = builder.add('Conv', [value, weight, bias], {
      kernel_shape: ints([kernel, kernel]),
      strides: ints([2, 2]),
      pads: ints([pad, pad, pad, pad]),
    });
    value = builder.add('Relu', [conv]);
    channels = filters;
    size /= 2;
  }

  value = builder.add('Flatten', [value], { axis: int(1) });
  const dense = (name: string, from: string, inputs: number, outputs: number, output?: string): string => {
    const weight = builder.constant(heNormal(random.fork(name), [outputs, inputs], inputs), `${name}.weight`);
    const bias = builder.constant(zeros([outputs]), `${name}.bias`);
    return builder.add('Gemm', [from, weight, bias], { transB: int(1) }, output === undefined ? undefined : [output]);
  };
  value = builder.add('Relu', [dense('dense1', value, channels * size * size, hidden)]);
  const logits = dense('dense2', value, hidden, sceneLabels.length, logitsName);
  builder.add('Softmax', [logits], { axis: int(-1) }, [probabilitiesOutput]);
  builder.output(probabilitiesOutput, 'float32', ['N', sceneLabels.length]);
  return createModel(builder.finish());
}

export const trainableWeights = (model: Model): string[] =>
  [...model.graph.initialisers.keys()].filter((name) => name.endsWith('.weight') || name.endsWith('.bias'));
