import type { Field, FieldKind, Message, MessageTable } from './wire.ts';

/** The messages of onnx.proto3 (IR version 10) that a graph is made of. Field numbers are the standard's. */
const one = (name: string, kind: FieldKind): Field => ({ name, kind });
const many = (name: string, kind: FieldKind): Field => ({ name, kind, repeated: true });

const entryTable: MessageTable = { 1: one('key', 'string'), 2: one('value', 'string') };

const dimensionTable: MessageTable = { 1: one('value', 'int'), 2: one('parameter', 'string') };
const shapeTable: MessageTable = { 1: many('dimensions', () => dimensionTable) };
const tensorTypeTable: MessageTable = {
  1: one('elementType', 'int'),
  2: one('shape', () => shapeTable),
};
const typeTable: MessageTable = { 1: one('tensor', () => tensorTypeTable) };
const valueInfoTable: MessageTable = { 1: one('name', 'string'), 2: one('type', () => typeTable) };

const tensorTable: MessageTable = {
  1: many('dims', 'int'),
  2: one('dataType', 'int'),
  4: many('floatData', 'float'),
  5: many('int32Data', 'int'),
  6: many('stringData', 'bytes'),
  7: many('int64Data', 'int64'),
  8: one('name', 'string'),
  9: one('rawData', 'bytes'),
  10: many('doubleData', 'double'),
  11: many('uint64Data', 'int64'),
  13: many('externalData', () => entryTable),
  14: one('dataLocation', 'int'),
};

const attributeTable: MessageTable = {
  1: one('name', 'string'),
  2: one('f', 'float'),
  3: one('i', 'int'),
  4: one('s', 'bytes'),
  5: one('t', () => tensorTable),
  6: one('g', () => graphTable),
  7: many('floats', 'float'),
  8: many('ints', 'int'),
  9: many('strings', 'bytes'),
  10: many('tensors', () => tensorTable),
  11: many('graphs', () => graphTable),
  20: one('type', 'int'),
};

const nodeTable: MessageTable = {
  1: many('inputs', 'string'),
  2: many('outputs', 'string'),
  3: one('name', 'string'),
  4: one('operator', 'string'),
  5: many('attributes', () => attributeTable),
  7: one('domain', 'string'),
};

const graphTable: MessageTable = {
  1: many('nodes', () => nodeTable),
  2: one('name', 'string'),
  5: many('initialisers', () => tensorTable),
  11: many('inputs', () => valueInfoTable),
  12: many('outputs', () => valueInfoTable),
  13: many('values', () => valueInfoTable),
  15: many('sparseInitialisers', 'bytes'),
};

const opsetTable: MessageTable = { 1: one('domain', 'string'), 2: one('version', 'int') };
const functionTable: MessageTable = { 1: one('name', 'string'), 10: one('domain', 'string') };

export const modelTable: MessageTable = {
  1: one('irVersion', 'int'),
  2: one('producerName', 'string'),
  3: one('producerVersion', 'string'),
  7: one('graph', () => graphTable),
  8: many('opsets', () => opsetTable),
  14: many('metadata', () => entryTable),
  25: many('functions', () => functionTable),
};

export interface EntryProto extends Message {
  key?: string;
  value?: string;
}
export interface ValueInfoProto extends Message {
  name?: string;
  type?: Message & {
    tensor?: Message & {
      elementType?: number;
      shape?: Message & { dimensions: (Message & { value?: number; parameter?: string })[] };
    };
  };
}
export interface TensorProto extends Message {
  dims: number[];
  dataType?: number;
  floatData: number[];
  int32Data: number[];
  stringData: Uint8Array[];
  int64Data: bigint[];
  name?: string;
  rawData?: Uint8Array;
  doubleData: number[];
  uint64Data: bigint[];
  externalData: EntryProto[];
  dataLocation?: number;
}
export interface AttributeProto extends Message {
  name?: string;
  f?: number;
  i?: number;
  s?: Uint8Array;
  t?: TensorProto;
  g?: GraphProto;
  floats: number[];
  ints: number[];
  strings: Uint8Array[];
  tensors: TensorProto[];
  graphs: GraphProto[];
  type?: number;
}
export interface NodeProto extends Message {
  inputs: string[];
  outputs: string[];
  name?: string;
  operator?: string;
  attributes: AttributeProto[];
  domain?: string;
}
export interface GraphProto extends Message {
  nodes: NodeProto[];
  name?: string;
  initialisers: TensorProto[];
  inputs: ValueInfoProto[];
  outputs: ValueInfoProto[];
  values: ValueInfoProto[];
  /** Not read; known only to be refused instead of being lost. */
  sparseInitialisers?: Uint8Array[];
}
export interface ModelProto extends Message {
  irVersion?: number;
  producerName?: string;
  producerVersion?: string;
  graph?: GraphProto;
  opsets: (Message & { domain?: string; version?: number })[];
  metadata: EntryProto[];
  functions: (Message & { name?: string; domain?: string })[];
}
