import type { GraphBuilder } from '../onnx/builder.ts';
import { elementCount, floats, int, type Node, type Tensor } from '../onnx/graph.ts';
import { channelAxis } from './operators.ts';
import { quantiseBias, quantiseWeight, weightScale, weightScaleForBias, type WeightBits } from './parameters.ts';

export interface WeightForm {
  readonly bits: WeightBits;
  readonly type: 'int8' | 'uint8';
}

/** Symmetric around this byte, so that one scale a channel is all there is. */
const uint8Centre = 128;

export interface QuantisedWeight {
  readonly data: Int8Array | Uint8Array;
  /** One a channel. */
  readonly scales: Float32Array;
  readonly zeroPoint: number;
}

/** The scale of a channel is large enough for its bias to fit 32 bits under `inputScale` times it. */
export function quantiseWeights(weight: Tensor, axis: number, bias: Tensor | undefined, inputScale: number, { bits, type }: WeightForm): QuantisedWeight {
  const values = weight.data as Float32Array;
  const channels = weight.dims[axis] ?? 1;
  const inner = elementCount(weight.dims.slice(axis + 1));
  const largest = new Float64Array(channels);
  for (let index = 0, channel = 0, left = inner; index < values.length; index += 1) {
    const size = Math.abs(values[index] as number);
    if (size > (largest[channel] as number)) largest[channel] = size;
    left -= 1;
    if (left === 0) {
      left = inner;
      channel = channel + 1 === channels ? 0 : channel + 1;
    }
  }
  const scales = Float32Array.from(largest, (value, channel) =>
    Math.max(weightScale(value, bits), weightScaleForBias(Number(bias?.data[channel] ?? 0), inputScale)),
  );
  const zeroPoint = type === 'uint8' ? uint8Centre : 0;
  const data = type === 'uint8' ? new Uint8Array(values.length) : new Int8Array(values.length);
  for (let from = 0, channel = 0; from < values.length; from += inner, channel = channel + 1 === channels ? 0 : channel + 1) {
    const scale = scales[channel] as number;
    for (let index = from; index < from + inner; index += 1) data[index] = quantiseWeight(values[index] as number, scale, bits) + zeroPoint;
  }
  return { data, scales, zeroPoint };
}

/** The weight as 8 bits with a scale a channel, the bias as int32 with the scale the accumulator has; as inputs of the node. */
export function addWeights(builder: GraphBuilder, node: Node, constant: (name: string) => Tensor | undefined, inputScale: number, form: WeightForm): string[] {
  const [, weightName = '', biasName = ''] = node.inputs;
  const weight = constant(weightName) as Tensor;
  const bias = constant(biasName);
  const axis = channelAxis(node, weight.dims.length);
  const { data, scales, zeroPoint } = quantiseWeights(weight, axis, bias, inputScale, form);
  const channels = scales.length;
  const zeros = form.type === 'uint8' ? new Uint8Array(channels).fill(zeroPoint) : new Int8Array(channels);
  const parts = [
    builder.constant({ type: form.type, dims: weight.dims, data }, builder.fresh(`${weightName}.${form.type}`)),
    builder.constant(floats([channels], scales), builder.fresh(`${weightName}.scale`)),
    builder.constant({ type: form.type, dims: [channels], data: zeros }, builder.fresh(`${weightName}.zero_point`)),
  ];
  const inputs = [builder.add('DequantizeLinear', parts, { axis: int(axis) })];
  if (bias === undefined) return inputs;

  const biasScales = scales.map((scale) => scale * inputScale);
  const biasData = Int32Array.from(bias.data as Float32Array, (value, channel) => quantiseBias(value, biasScales[channel] ?? 1));
  // No zero point here: a WebGPU backend rejects it.
  const biasParts = [
    builder.constant({ type: 'int32', dims: [channels], data: biasData }, builder.fresh(`${biasName}.int32`)),
    builder.constant(floats([channels], biasScales), builder.fresh(`${biasName}.scale`)),
  ];
  return [...inputs, builder.add('DequantizeLinear', biasParts, { axis: int(0) })];
}
