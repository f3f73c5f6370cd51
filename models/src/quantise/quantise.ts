import { createGraphBuilder } from '../onnx/builder.ts';
import { floats, int, numberAttribute, scalar, type Graph, type Model, type Node, type Tensor } from '../onnx/graph.ts';
import { throwIfCancelled } from '../train/cancellation.ts';
import { calibrate, type Batch, type CalibratorName } from './calibrate.ts';
import { findInputStage, type InputStage } from './input-stage.ts';
import {
  activationParameters,
  quantiseBias,
  quantiseWeight,
  weightScale,
  weightScaleForBias,
  type QuantisedRange,
  type ValueRange,
  type WeightBits,
} from './parameters.ts';
import { prepare } from './prepare.ts';
import type { LeftInFloat, QuantiseReport } from './report.ts';

/** Operators whose output takes the scale of their input, so that the pair around them vanishes. */
const sharing = new Set(['Flatten', 'Reshape', 'Transpose', 'GlobalAveragePool']);

const weighted = new Set(['Conv', 'MatMul', 'Gemm']);

/** What becomes of one node of the float graph. */
interface Step {
  readonly node: Node;
  readonly kind: 'float' | 'weighted' | 'sharing';
  /** The value the step ends with: that of an absorbed Relu, if there is one. */
  readonly output: string;
  /** Somebody needs the output in 8 bits. */
  readonly quantised: boolean;
}

export interface QuantiseOptions {
  /** Real inputs, by name; gone through more than once. */
  readonly batches: Iterable<Batch>;
  readonly calibrator?: CalibratorName;
  /** Share of the values that the percentile calibrator keeps inside the range. */
  readonly keep?: number;
  /** uint8 weights suit processors and browsers without products of unsigned and signed bytes. */
  readonly weightType?: 'int8' | 'uint8';
  /** 7 computes the same on every machine, 8 is finer where VNNI or its like is certain. */
  readonly weightBits?: WeightBits;
  /** Names of nodes of the prepared graph that stay float. */
  readonly exclude?: ReadonlySet<string>;
  /** Ranges of values of the prepared graph that were measured before; only others are measured. */
  readonly ranges?: ReadonlyMap<string, ValueRange>;
  /** The model comes out of `prepare` already. */
  readonly prepared?: boolean;
  readonly threads?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (fraction: number, words: string) => void;
}

export interface Quantised {
  readonly model: Model;
  /** The float graph it was made from; names in the report and the ranges are its. */
  readonly prepared: Model;
  readonly ranges: ReadonlyMap<string, ValueRange>;
  readonly report: QuantiseReport;
}

/** Static 8-bit quantisation in QDQ form: activations uint8, weights 8 bits per channel. */
export async function quantise(model: Model, options: QuantiseOptions): Promise<Quantised> {
  const { exclude = new Set<string>(), signal, weightBits = 7, weightType = 'int8' } = options;
  const prepared = options.prepared === true ? model : (await prepare(model)).model;
  throwIfCancelled(signal);
  const stage = inputStageOf(prepared.graph, exclude);
  const steps = planSteps(prepared.graph, stage, exclude);
  const values = [...valuesToMeasure(stage, steps)].filter((name) => options.ranges?.has(name) !== true);
  const measured = values.length === 0 ? new Map<string, ValueRange>() : await calibrate(prepared, { ...options, values });
  const ranges = new Map([...(options.ranges ?? []), ...measured]);
  const graph = rewrite(prepared.graph, stage, steps, ranges, { weightBits, weightType });
  return { model: { ...prepared, graph }, prepared, ranges, report: reportOf(prepared.graph, steps, exclude) };
}

const consumersOf = (graph: Graph, value: string): Node[] => graph.nodes.filter((node) => node.inputs.includes(value));

function isWeighted(graph: Graph, node: Node): boolean {
  if (node.domain !== '') return false;
  const weight = graph.initialisers.get(node.inputs[1] ?? '');
  const bias = node.inputs[2] ?? '';
  if (weight?.type !== 'float32' || graph.initialisers.has(node.inputs[0] ?? '')) return false;
  if (bias !== '' && graph.initialisers.get(bias)?.dims.length !== 1) return false;
  if (node.operator === 'Conv') return true;
  if (node.operator === 'MatMul') return weight.dims.length === 2;
  return (
    node.operator === 'Gemm' && numberAttribute(node, 'alpha', 1) === 1 && numberAttribute(node, 'beta', 1) === 1 && numberAttribute(node, 'transA', 0) === 0
  );
}

function planSteps(graph: Graph, stage: InputStage | undefined, exclude: ReadonlySet<string>): Step[] {
  const absorbed = new Set<Node>(stage?.nodes);
  const graphOutputs = new Set(graph.outputs.map(({ name }) => name));
  const kindOf = (node: Node): Step['kind'] => {
    if (exclude.has(node.name)) return 'float';
    return isWeighted(graph, node) ? 'weighted' : node.domain === '' && sharing.has(node.operator) ? 'sharing' : 'float';
  };

  /** Whether a value ends, through operators that share scales, in one that computes with 8 bits. */
  const wanted = (value: string): boolean =>
    consumersOf(graph, value).some((node) => {
      const kind = kindOf(node);
      if (kind === 'weighted') return node.inputs[0] === value;
      return kind === 'sharing' && node.inputs[0] === value && wanted(node.outputs[0] ?? '');
    });

  const steps: Step[] = [];
  for (const node of graph.nodes) {
    if (absorbed.has(node)) continue;
    const kind = kindOf(node);
    let output = node.outputs[0] ?? '';
    const consumers = consumersOf(graph, output);
    const [next] = consumers;
    const followed = kind === 'weighted' && consumers.length === 1 && next?.operator === 'Relu' && !exclude.has(next.name) && !graphOutputs.has(output);
    // The Relu only vanishes when its output is stored in 8 bits, whose range then begins at zero.
    if (followed && wanted(next.outputs[0] ?? '')) {
      absorbed.add(next);
      output = next.outputs[0] ?? '';
    }
    const quantised = kind !== 'float' && wanted(output);
    steps.push({ node, kind: kind === 'sharing' && !quantised ? 'float' : kind, output, quantised });
  }
  return steps;
}

const inputStageOf = (graph: Graph, exclude: ReadonlySet<string>): InputStage | undefined => {
  const stage = findInputStage(graph);
  return stage !== undefined && [...stage.nodes].some(({ name }) => exclude.has(name)) ? undefined : stage;
};

function reportOf(graph: Graph, steps: readonly Step[], exclude: ReadonlySet<string>): QuantiseReport {
  const byNode = new Map(steps.map((step) => [step.node, step]));
  const report = { quantised: [] as string[], absorbed: [] as string[], left: [] as LeftInFloat[], warnings: [] as string[] };
  for (const node of graph.nodes) {
    const step = byNode.get(node);
    if (step === undefined) report.absorbed.push(node.name);
    else if (step.kind !== 'float') report.quantised.push(node.name);
    else report.left.push(leftInFloat(node, exclude));
  }
  return report;
}

function leftInFloat(node: Node, exclude: ReadonlySet<string>): LeftInFloat {
  const { name, operator, domain } = node;
  const left = (reason: LeftInFloat['reason'], words: string): LeftInFloat => ({ node: name, operator, reason, words });
  if (exclude.has(name)) return left('excluded', 'it was to stay float');
  if (domain !== '') return left('domain', `${domain}:${operator} is not of the standard operator set`);
  if (weighted.has(operator)) return left('form', 'its weight or its bias is not a constant of the usual form');
  if (sharing.has(operator)) return left('cost', 'no neighbour computes with 8 bits');
  return left('operator', `${operator} has no 8-bit kernel`);
}

function valuesToMeasure(stage: InputStage | undefined, steps: readonly Step[]): Set<string> {
  const values = new Set<string>();
  for (const { node, kind, output, quantised } of steps) {
    if (kind !== 'float') values.add(node.inputs[0] ?? '');
    if (quantised) values.add(output);
  }
  if (stage !== undefined) values.delete(stage.output);
  return values;
}

interface Stored extends QuantisedRange {
  /** The uint8 tensor. */
  readonly name: string;
}

interface WeightForm {
  readonly weightBits: WeightBits;
  readonly weightType: 'int8' | 'uint8';
}

function rewrite(graph: Graph, stage: InputStage | undefined, steps: readonly Step[], ranges: ReadonlyMap<string, ValueRange>, form: WeightForm): Graph {
  const builder = createGraphBuilder(graph.name);
  for (const input of graph.inputs) builder.input(input.name, input.type, input.dims);
  for (const output of graph.outputs) builder.output(output.name, output.type, output.dims);

  const stored = new Map<string, Stored>();
  const available = new Set(graph.inputs.map(({ name }) => name));
  const kept = new Set<string>();

  const pair = (range: QuantisedRange): [string, string] => [
    builder.constant(scalar(range.scale), builder.fresh('scale')),
    builder.constant({ type: 'uint8', dims: [], data: Uint8Array.of(range.zeroPoint) }, builder.fresh('zero_point')),
  ];
  const rangeOf = (value: string): QuantisedRange => {
    const range = ranges.get(value);
    if (range === undefined) throw new RangeError(`the range of ${value} was not measured`);
    return activationParameters(range);
  };

  const store = (value: string, range: QuantisedRange): Stored => {
    const name = builder.add('QuantizeLinear', [value, ...pair(range)], {}, [builder.fresh(`${value}.quantised`)]);
    const result = { ...range, name };
    stored.set(value, result);
    return result;
  };
  const inBytes = (value: string): Stored => stored.get(value) ?? store(value, rangeOf(value));
  /** A fresh pair for every consumer: the runtime fuses a pair only with the one node that uses it. */
  const restored = ({ name, ...range }: Stored): string => builder.add('DequantizeLinear', [name, ...pair(range)]);
  const inFloats = (value: string): string => {
    const bytes = stored.get(value);
    if (bytes !== undefined && !available.has(value)) return restored(bytes);
    const constant = graph.initialisers.get(value);
    if (constant !== undefined && !kept.has(value)) {
      builder.constant(constant, value);
      kept.add(value);
    }
    return value;
  };

  if (stage !== undefined) {
    let bytes = stage.input;
    for (const move of stage.moves) bytes = builder.add('Transpose', [bytes], move.attributes);
    stored.set(stage.output, { ...stage.range, name: bytes });
  }

  for (const { node, kind, output, quantised } of steps) {
    if (kind === 'float') {
      builder.append({ ...node, inputs: node.inputs.map((input) => (input === '' ? '' : inFloats(input))) });
      for (const name of node.outputs) available.add(name);
      continue;
    }
    const input = inBytes(node.inputs[0] ?? '');
    const inputs = [restored(input), ...(kind === 'weighted' ? weightInputs(builder, graph, node, input.scale, form) : node.inputs.slice(1).map(inFloats))];
    const name = quantised ? builder.fresh(`${output}.float`) : output;
    // Under the node's own name: accuracy recovery looks there for what became of it.
    builder.append({ ...node, inputs, outputs: [name] });
    if (!quantised) {
      available.add(output);
      continue;
    }
    stored.set(output, store(name, kind === 'sharing' ? input : rangeOf(output)));
  }
  return builder.finish();
}

/** The weight as int8 with a scale a channel, the bias as int32 with the scale the accumulator has. */
function weightInputs(
  builder: ReturnType<typeof createGraphBuilder>,
  graph: Graph,
  node: Node,
  inputScale: number,
  { weightBits, weightType }: WeightForm,
): string[] {
  const bits = weightType === 'uint8' ? 8 : weightBits;
  const zeroPoint = weightType === 'uint8' ? 128 : 0;
  const stored = (values: ArrayLike<number>): Uint8Array | Int8Array => (weightType === 'uint8' ? Uint8Array : Int8Array).from(values);
  const weight = graph.initialisers.get(node.inputs[1] ?? '') as Tensor<'float32'>;
  const bias = graph.initialisers.get(node.inputs[2] ?? '') as Tensor<'float32'> | undefined;
  const axis = channelAxis(node);
  const channels = weight.dims[axis] ?? 1;
  const inner = weight.dims.slice(axis + 1).reduce((count, dim) => count * dim, 1);
  const channelOf = (index: number): number => Math.floor(index / inner) % channels;

  const largest = new Float64Array(channels);
  weight.data.forEach((value, index) => {
    const channel = channelOf(index);
    largest[channel] = Math.max(largest[channel] ?? 0, Math.abs(value));
  });
  const scales = Float32Array.from(largest, (value, channel) => Math.max(weightScale(value, bits), weightScaleForBias(bias?.data[channel] ?? 0, inputScale)));
  const data = stored(weight.data.map((value, index) => quantiseWeight(value, scales[channelOf(index)] ?? 1, bits) + zeroPoint));
  const stem = node.inputs[1] ?? 'weight';
  const inputs = [
    builder.add(
      'DequantizeLinear',
      [
        builder.constant({ type: weightType, dims: weight.dims, data }, builder.fresh(`${stem}.${weightType}`)),
        builder.constant(floats([channels], scales), builder.fresh(`${stem}.scale`)),
        builder.constant({ type: weightType, dims: [channels], data: stored(new Uint8Array(channels).fill(zeroPoint)) }, builder.fresh(`${stem}.zero_point`)),
      ],
      { axis: int(axis) },
    ),
  ];
  if (bias !== undefined) {
    const biasScales = scales.map((scale) => scale * inputScale);
    const biasData = Int32Array.from(bias.data, (value, channel) => quantiseBias(value, biasScales[channel] ?? 1));
    const biasStem = node.inputs[2] ?? 'bias';
    // No zero point here: a WebGPU backend rejects it.
    inputs.push(
      builder.add(
        'DequantizeLinear',
        [
          builder.constant({ type: 'int32', dims: bias.dims, data: biasData }, builder.fresh(`${biasStem}.int32`)),
          builder.constant(floats([channels], biasScales), builder.fresh(`${biasStem}.scale`)),
        ],
        { axis: int(0) },
      ),
    );
  }
  return inputs;
}

function channelAxis(node: Node): number {
  if (node.operator === 'Conv') return 0;
  if (node.operator === 'MatMul') return 1;
  return numberAttribute(node, 'transB', 0) === 1 ? 0 : 1;
}
