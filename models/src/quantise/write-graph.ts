import { createGraphBuilder, type GraphBuilder } from '../onnx/builder.ts';
import { numberAttribute, scalar, type Graph, type Node, type Tensor } from '../onnx/graph.ts';
import { namesDefined, valuesRead } from '../onnx/scope.ts';
import { clipBounds, constantSide, repeatsOf, scaleOf } from './operators.ts';
import { activationParameters, quantiseActivation, type QuantisedRange, type ValueRange } from './parameters.ts';
import type { Plan, Step } from './plan.ts';
import { nameNodes } from './prepare.ts';
import { repeatPixels } from './repeat-pixels.ts';
import { addWeights, type WeightForm } from './weights.ts';

/** A value as it lies in memory. */
interface Stored extends QuantisedRange {
  /** The uint8 tensor. */
  readonly name: string;
}
type BytesStep = Extract<Step, { as: 'bytes' }>;

/** These give shares: no calibration image shows all of what they can be. */
const unitRange: ReadonlySet<string> = new Set(['Sigmoid', 'Softmax', 'HardSigmoid']);

/** The graph with everything the plan has in 8 bits between QuantizeLinear and DequantizeLinear, and nothing else. */
export function writeQuantised(graph: Graph, plan: Plan, ranges: ReadonlyMap<string, ValueRange>, form: WeightForm): Graph {
  const builder = createGraphBuilder(graph.name, [...namesDefined(graph), ...graph.outputs.map(({ name }) => name), ...graph.nodes.map(({ name }) => name)]);
  for (const input of graph.inputs) builder.input(input.name, input.type, input.dims);
  for (const output of graph.outputs) builder.output(output.name, output.type, output.dims);
  const writer = createWriter(builder, graph, plan, ranges, form);
  writer.start();
  for (const step of plan.steps) {
    if (step.as === 'float') writer.float(step.node);
    else if (step.as === 'bytes') writer.bytes(step);
  }
  // A node that gives floats back has the name of its value, as the node that makes it may have.
  return nameNodes(writer.finish());
}

function createWriter(builder: GraphBuilder, graph: Graph, plan: Plan, ranges: ReadonlyMap<string, ValueRange>, form: WeightForm) {
  const { facts, stage, steps } = plan;
  const stored = new Map<string, Stored>();
  /** Values that somebody reads as floats. */
  const asFloats = new Set(graph.outputs.map(({ name }) => name));
  for (const step of steps) if (step.as === 'float') for (const name of valuesRead(step.node)) asFloats.add(name);
  for (const step of steps) {
    if (step.as === 'bytes') step.node.inputs.forEach((name, index) => !step.candidate.data.includes(index) && asFloats.add(name));
  }

  const pair = ({ scale, zeroPoint }: QuantisedRange): [string, string] => [
    builder.constant(scalar(scale), builder.fresh('scale')),
    builder.constant({ type: 'uint8', dims: [], data: Uint8Array.of(zeroPoint) }, builder.fresh('zero_point')),
  ];
  const rangeOf = (value: string, node?: Node): QuantisedRange => {
    if (node !== undefined && unitRange.has(node.operator)) return activationParameters({ min: 0, max: 1 });
    const range = ranges.get(value);
    if (range === undefined) throw new RangeError(`the range of ${value} was not measured`);
    return activationParameters(range);
  };
  /** A fresh pair for every reader: the runtime fuses a pair only with the one node that uses it. */
  const restored = ({ name, ...range }: Stored): string => builder.add('DequantizeLinear', [name, ...pair(range)]);
  const restoreAs = ({ name, ...range }: Stored, output: string): void =>
    builder.append({
      operator: 'DequantizeLinear',
      domain: '',
      name: builder.fresh(`${output}.restored`),
      inputs: [name, ...pair(range)],
      outputs: [output],
      attributes: {},
    });
  /** Keeps a value as bytes from now on; readers of floats get it back under its own name, all from one node. */
  const keep = (value: string, bytes: Stored): Stored => {
    stored.set(value, bytes);
    if (asFloats.has(value)) restoreAs(bytes, value);
    return bytes;
  };
  const quantised = (value: string, range: QuantisedRange, name: string): Stored => ({
    ...range,
    name: builder.add('QuantizeLinear', [value, ...pair(range)], {}, [builder.fresh(`${name}.quantised`)]),
  });
  const constantBytes = (name: string, tensor: Tensor): Stored => {
    const values = tensor.data as Float32Array;
    const range = activationParameters({
      min: values.reduce((low, value) => Math.min(low, value), 0),
      max: values.reduce((high, value) => Math.max(high, value), 0),
    });
    const data = Uint8Array.from(values, (value) => quantiseActivation(value, range));
    return { ...range, name: builder.constant({ type: 'uint8', dims: tensor.dims, data }, builder.fresh(`${name}.uint8`)) };
  };
  const inBytes = (value: string): Stored => {
    const known = stored.get(value);
    if (known !== undefined) return known;
    const constant = facts.constant(value);
    const made = constant === undefined ? quantised(value, rangeOf(value), value) : constantBytes(value, constant);
    stored.set(value, made);
    return made;
  };
  /** Ends a node that gives floats named `value.float` with the pair that makes them bytes. */
  const finishKernel = (step: BytesStep, operator: string, inputs: string[], ranged: readonly QuantisedRange[], attributes = step.node.attributes): void => {
    const { node, outputs } = step;
    if (step.floatOutput) {
      builder.append({ ...node, operator, inputs, outputs, attributes });
      return;
    }
    const inner = outputs.map((output) => (output === '' ? '' : builder.fresh(`${output}.float`)));
    builder.append({ ...node, operator, inputs, outputs: inner, attributes });
    outputs.forEach((output, index) => output !== '' && keep(output, quantised(inner[index] ?? '', ranged[index] as QuantisedRange, output)));
  };
  const dataInputs = (node: Node, data: readonly number[]): string[] =>
    node.inputs.map((name, index) => (data.includes(index) ? restored(inBytes(name)) : name));

  const bytes = (step: BytesStep): void => {
    const { node, candidate, outputs } = step;
    const [input = ''] = node.inputs;
    const [output = ''] = outputs;
    const own = (): QuantisedRange[] => (step.floatOutput ? [] : [rangeOf(output, output === node.outputs[0] ? node : undefined)]);
    switch (candidate.kind) {
      case 'weighted': {
        const source = inBytes(input);
        finishKernel(step, node.operator, [restored(source), ...addWeights(builder, node, facts.constant, source.scale, form)], own());
        return;
      }
      case 'product':
      case 'kernel':
        finishKernel(step, node.operator, dataInputs(node, candidate.data), own());
        return;
      case 'sharing': {
        const source = inBytes(input);
        finishKernel(
          step,
          node.operator,
          dataInputs(node, candidate.data),
          outputs.map(() => source),
        );
        return;
      }
      case 'repeat': {
        const source = inBytes(input);
        const channels = facts.type(input)?.dims[1] ?? 0;
        keep(output, { ...source, name: repeatPixels(builder, source.name, channels, repeatsOf(node, facts) ?? { rows: 1, columns: 1 }) });
        return;
      }
      case 'clip': {
        const source = inBytes(input);
        const bounds = clipBounds(node, facts) ?? { low: -Infinity, high: Infinity };
        const bound = (value: number): string =>
          builder.constant({ type: 'uint8', dims: [], data: Uint8Array.of(quantiseActivation(value, source)) }, builder.fresh('bound'));
        const name = builder.fresh(`${output}.quantised`);
        builder.append({ ...node, operator: 'Clip', inputs: [source.name, bound(bounds.low), bound(bounds.high)], outputs: [name], attributes: {} });
        keep(output, { ...source, name });
        return;
      }
      case 'hard-sigmoid': {
        // The same bytes under another scale are the input times alpha; what is added is one byte, exact.
        const { name, scale, zeroPoint } = inBytes(input);
        const scaled = { name, scale: Math.fround(scale * numberAttribute(node, 'alpha', 0.2)), zeroPoint };
        const beta = scalar(numberAttribute(node, 'beta', 0.5));
        finishKernel(step, 'Add', [restored(scaled), restored(constantBytes(node.name, beta))], own(), {});
        return;
      }
      case 'rescale': {
        const source = inBytes(node.inputs[1 - constantSide(node, facts)] ?? '');
        keep(output, { ...source, scale: Math.fround(source.scale * (scaleOf(node, facts) ?? 1)) });
        return;
      }
      default:
        candidate.kind satisfies never;
    }
  };

  return {
    start: () => {
      if (stage === undefined) return;
      let name = stage.input;
      for (const move of stage.moves) name = builder.add('Transpose', [name], move.attributes);
      keep(stage.output, { ...stage.range, name });
    },
    float: (node: Node) => builder.append(node),
    bytes,
    finish: (): Graph => {
      const written = builder.finish();
      const read = new Set([...written.nodes.flatMap(valuesRead), ...written.outputs.map(({ name }) => name)]);
      const kept = [...graph.initialisers].filter(([name]) => read.has(name));
      return { ...written, initialisers: new Map([...kept, ...written.initialisers]) };
    },
  };
}
