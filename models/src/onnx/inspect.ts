import { elementCount, type ValueInfo } from './graph.ts';
import { modelBytesMax, readProto, readValueInfo } from './model-file.ts';
import type { GraphProto, TensorProto } from './schema.ts';

export interface ModelSummary {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  /** How often each operator occurs, inner graphs included; other domains as `domain:Operator`. */
  readonly operators: Readonly<Record<string, number>>;
  /** Numbers held in weights and constants. */
  readonly parameters: number;
  /** Version of the standard operator set; 0 when the model names none. */
  readonly opset: number;
  readonly domains: Readonly<Record<string, number>>;
  /** Some weights lie in another file, which a bundle cannot carry. */
  readonly externalData: boolean;
  readonly metadata: Readonly<Record<string, string>>;
}

/** What a file holds, without loading it into a runtime. */
export function inspectModel(bytes: Uint8Array, sizeBytesMax: number = modelBytesMax): ModelSummary {
  const proto = readProto(bytes, sizeBytesMax);
  const operators: Record<string, number> = {};
  let parameters = 0;
  let externalData = false;

  const count = (tensor: TensorProto): void => {
    parameters += elementCount(tensor.dims);
    externalData ||= tensor.dataLocation === 1;
  };
  const visit = (graph: GraphProto): void => {
    graph.initialisers.forEach(count);
    for (const node of graph.nodes) {
      const domain = node.domain ?? '';
      const name = domain === '' || domain === 'ai.onnx' ? (node.operator ?? '') : `${domain}:${node.operator ?? ''}`;
      operators[name] = (operators[name] ?? 0) + 1;
      for (const attribute of node.attributes) {
        // Some exporters keep all weights in Constant nodes.
        if (attribute.t !== undefined) count(attribute.t);
        if (attribute.g !== undefined) visit(attribute.g);
        for (const inner of attribute.graphs) visit(inner);
      }
    }
  };
  visit(proto.graph);

  const weights = new Set(proto.graph.initialisers.map((tensor) => tensor.name));
  const domains = Object.fromEntries(proto.opsets.map((opset) => [opset.domain ?? '', opset.version ?? 0]));
  return {
    inputs: proto.graph.inputs.filter((input) => !weights.has(input.name)).map(readValueInfo),
    outputs: proto.graph.outputs.map(readValueInfo),
    operators,
    parameters,
    opset: domains[''] ?? domains['ai.onnx'] ?? 0,
    domains,
    externalData,
    metadata: Object.fromEntries(proto.metadata.map((entry) => [entry.key ?? '', entry.value ?? ''])),
  };
}
