import { SerinError } from '@serin/protocol/errors';
import { bundleBytesMax } from '@serin/protocol/limits';

import {
  elementCount,
  type Attribute,
  type Dimension,
  type ElementType,
  type Graph,
  type Model,
  type Node,
  type Tensor,
  type TypedArrays,
  type ValueInfo,
} from './graph.ts';
import { modelTable } from './schema.ts';
import type { AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto } from './schema.ts';
import { decodeMessage, encodeMessage } from './wire.ts';

export const modelBytesMax = bundleBytesMax;

/** TensorProto.DataType */
export const elementTypeCodes: Readonly<Record<ElementType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
};
const typeOfCode = new Map(Object.entries(elementTypeCodes).map(([type, code]) => [code, type as ElementType]));

const arrayOf = {
  float32: Float32Array,
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  bool: Uint8Array,
  float16: Uint16Array,
  float64: Float64Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bfloat16: Uint16Array,
} as const;

const textDecoder = new TextDecoder();
const textEncoder = new TextEncoder();

const invalid = (detail: string): SerinError => new SerinError('MODEL_INVALID', { detail });
const unsupported = (detail: string, hint?: string): SerinError => new SerinError('MODEL_UNSUPPORTED', hint === undefined ? { detail } : { detail, hint });

/** The message tree, checked only as far as every model must be. */
export function readProto(bytes: Uint8Array, sizeBytesMax: number = modelBytesMax): ModelProto & { graph: GraphProto } {
  if (bytes.byteLength > sizeBytesMax) {
    throw new SerinError('MODEL_INVALID', {
      detail: `${bytes.byteLength} bytes, more than the limit of ${sizeBytesMax}`,
      hint: 'Make the model smaller, or raise the limit',
    });
  }
  const proto = decodeMessage(bytes, modelTable) as ModelProto;
  if (proto.graph === undefined || proto.irVersion === undefined) {
    throw new SerinError('MODEL_INVALID', {
      detail: 'it holds no graph',
      hint: 'The file is not an ONNX model; export one with torch.onnx.export, tf2onnx or skl2onnx',
    });
  }
  return proto as ModelProto & { graph: GraphProto };
}

export function readModel(bytes: Uint8Array, sizeBytesMax: number = modelBytesMax): Model {
  return modelOfProto(readProto(bytes, sizeBytesMax));
}

/** From IR version 4 on, weights need not be inputs; what is read here is in that form. */
const irVersionMin = 4;

export function modelOfProto(proto: ModelProto & { graph: GraphProto }): Model {
  if (proto.functions.length > 0) {
    throw unsupported('it has functions of its own', 'Inline them: onnx.inliner.inline_local_functions');
  }
  return {
    irVersion: Math.max(irVersionMin, proto.irVersion ?? 0),
    opsets: Object.fromEntries(proto.opsets.map((opset) => [standardDomain(opset.domain), opset.version ?? 0])),
    producer: proto.producerName ?? '',
    metadata: Object.fromEntries(proto.metadata.map((entry) => [entry.key ?? '', entry.value ?? ''])),
    graph: readGraph(proto.graph),
  };
}

export interface WriteOptions {
  /** Declare outputs by type only; the runtime infers their shapes. */
  readonly shapelessOutputs?: boolean;
}

export function writeModel(model: Model, options: WriteOptions = {}): Uint8Array<ArrayBuffer> {
  const graph = writeGraph(model.graph);
  if (options.shapelessOutputs === true) {
    for (const output of graph.outputs) delete output.type?.tensor?.shape;
  }
  const proto: ModelProto = {
    irVersion: model.irVersion,
    producerName: model.producer,
    graph,
    opsets: Object.entries(model.opsets).map(([domain, version]) => ({ domain, version })),
    metadata: Object.entries(model.metadata).map(([key, value]) => ({ key, value })),
    functions: [],
  };
  return encodeMessage(proto, modelTable);
}

/** The standard's domain has two spellings. */
const standardDomain = (domain: string | undefined): string => (domain === 'ai.onnx' ? '' : (domain ?? ''));

function readGraph(proto: GraphProto): Graph {
  if ((proto.sparseInitialisers?.length ?? 0) > 0) throw unsupported('it has sparse weights', 'Save it with dense weights');
  const initialisers = new Map(proto.initialisers.map((tensor) => [tensor.name ?? '', readTensor(tensor)]));
  if (initialisers.size < proto.initialisers.length) throw invalid('two weights have the same name');
  return {
    name: proto.name ?? '',
    // Before IR version 4 every initialiser was listed as an input too.
    inputs: proto.inputs.filter((input) => !initialisers.has(input.name ?? '')).map(readValueInfo),
    outputs: proto.outputs.map(readValueInfo),
    nodes: proto.nodes.map(readNode),
    initialisers,
  };
}

function writeGraph(graph: Graph): GraphProto {
  return {
    name: graph.name,
    nodes: graph.nodes.map(writeNode),
    initialisers: [...graph.initialisers].map(([name, tensor]) => writeTensor(name, tensor)),
    inputs: graph.inputs.map(writeValueInfo),
    outputs: graph.outputs.map(writeValueInfo),
    values: [],
  };
}

function readNode(proto: NodeProto): Node {
  const attributes = Object.fromEntries(proto.attributes.map((attribute) => [attribute.name ?? '', readAttribute(attribute)]));
  if (Object.keys(attributes).length < proto.attributes.length) throw invalid(`${proto.operator ?? ''} ${proto.name ?? ''} has an attribute twice`);
  return {
    operator: proto.operator ?? '',
    domain: standardDomain(proto.domain),
    name: proto.name ?? '',
    inputs: proto.inputs,
    outputs: proto.outputs,
    attributes,
  };
}

function writeNode(node: Node): NodeProto {
  return {
    inputs: [...node.inputs],
    outputs: [...node.outputs],
    name: node.name,
    operator: node.operator,
    domain: node.domain,
    attributes: Object.entries(node.attributes).map(([name, attribute]) => writeAttribute(name, attribute)),
  };
}

/** AttributeProto.AttributeType */
const attributeCodes = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
} as const;

function readAttribute(proto: AttributeProto): Attribute {
  switch (proto.type) {
    case attributeCodes.float:
      return { kind: 'float', value: proto.f ?? 0 };
    case attributeCodes.int:
      return { kind: 'int', value: proto.i ?? 0 };
    case attributeCodes.string:
      return { kind: 'string', value: textDecoder.decode(proto.s) };
    case attributeCodes.floats:
      return { kind: 'floats', value: proto.floats };
    case attributeCodes.ints:
      return { kind: 'ints', value: proto.ints };
    case attributeCodes.strings:
      return { kind: 'strings', value: proto.strings.map((item) => textDecoder.decode(item)) };
    case attributeCodes.tensor:
      if (proto.t !== undefined) return { kind: 'tensor', value: readTensor(proto.t) };
      break;
    case attributeCodes.graph:
      if (proto.g !== undefined) return { kind: 'graph', value: readGraph(proto.g) };
      break;
    default:
  }
  throw unsupported(`attribute ${proto.name ?? ''} of type ${proto.type ?? 0}`);
}

function writeAttribute(name: string, attribute: Attribute): AttributeProto {
  const proto: AttributeProto = {
    name,
    type: attributeCodes[attribute.kind],
    floats: [],
    ints: [],
    strings: [],
    tensors: [],
    graphs: [],
  };
  const { kind, value } = attribute;
  if (kind === 'float') proto.f = value as number;
  else if (kind === 'int') proto.i = value as number;
  else if (kind === 'string') proto.s = textEncoder.encode(value as string);
  else if (kind === 'floats') proto.floats = [...(value as readonly number[])];
  else if (kind === 'ints') proto.ints = [...(value as readonly number[])];
  else if (kind === 'strings') proto.strings = (value as readonly string[]).map((item) => textEncoder.encode(item));
  else if (kind === 'tensor') proto.t = writeTensor('', value as Tensor);
  else proto.g = writeGraph(value as Graph);
  return proto;
}

export function readValueInfo(proto: ValueInfoProto): ValueInfo {
  const tensor = proto.type?.tensor;
  const type = typeOfCode.get(tensor?.elementType ?? 0);
  const name = proto.name ?? '';
  if (tensor === undefined || type === undefined) {
    throw unsupported(`${name} is not a tensor of numbers`, 'Serve models whose inputs and outputs are numeric tensors');
  }
  // A dimension may be left open by a name, by nothing at all, or, by older exporters, by a negative number.
  const dims = (tensor.shape?.dimensions ?? []).map(({ value, parameter = '' }, index): Dimension => {
    if (value !== undefined && value >= 0) return value;
    return parameter === '' ? `${name}_${index}` : parameter;
  });
  return tensor.shape === undefined ? { name, type, dims, anyShape: true } : { name, type, dims };
}

function writeValueInfo(value: ValueInfo): ValueInfoProto {
  if (value.anyShape === true) return { name: value.name, type: { tensor: { elementType: elementTypeCodes[value.type] } } };
  const dimensions = value.dims.map((dim) => (typeof dim === 'number' ? { value: dim } : { parameter: dim }));
  return {
    name: value.name,
    type: { tensor: { elementType: elementTypeCodes[value.type], shape: { dimensions } } },
  };
}

export function readTensor(proto: TensorProto): Tensor {
  const name = proto.name ?? '';
  const type = typeOfCode.get(proto.dataType ?? 0);
  if (proto.dataLocation === 1) {
    throw unsupported(`tensor ${name} lies in another file`, 'Save the model with its weights in one file');
  }
  if (type === undefined) throw unsupported(`tensor ${name} has element type ${proto.dataType ?? 0}`);
  if (proto.dims.some((dim) => dim < 0)) throw invalid(`tensor ${name} has a negative dimension`);
  const count = elementCount(proto.dims);
  const data = tensorData(proto, type);
  if (data.length !== count) throw invalid(`tensor ${name} has ${data.length} elements, its shape says ${count}`);
  return { type, dims: proto.dims, data };
}

function tensorData(proto: TensorProto, type: ElementType): TypedArrays[ElementType] {
  const array = arrayOf[type];
  const raw = proto.rawData;
  if (raw !== undefined && raw.byteLength > 0) {
    if (raw.byteLength % array.BYTES_PER_ELEMENT !== 0) throw invalid(`tensor ${proto.name ?? ''} is cut short`);
    // A copy, because typed arrays need alignment and the file must not stay in memory; a Buffer's own slice would be none.
    return new array(Uint8Array.prototype.slice.call(raw).buffer);
  }
  switch (type) {
    case 'float32':
      return Float32Array.from(proto.floatData);
    case 'float64':
      return Float64Array.from(proto.doubleData);
    case 'int64':
      return BigInt64Array.from(proto.int64Data);
    case 'uint64':
      return BigUint64Array.from(proto.uint64Data, (item) => BigInt.asUintN(64, item));
    case 'uint32':
      return Uint32Array.from(proto.uint64Data, Number);
    default:
      return (arrayOf[type] as typeof Int32Array).from(proto.int32Data) as TypedArrays[ElementType];
  }
}

function writeTensor(name: string, tensor: Tensor): TensorProto {
  const { buffer, byteOffset, byteLength } = tensor.data;
  return {
    name,
    dims: [...tensor.dims],
    dataType: elementTypeCodes[tensor.type],
    rawData: new Uint8Array(buffer, byteOffset, byteLength),
    floatData: [],
    int32Data: [],
    stringData: [],
    int64Data: [],
    doubleData: [],
    uint64Data: [],
    externalData: [],
  };
}
