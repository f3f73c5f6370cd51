/** An ONNX graph as plain data: what passes, the autodiff and the quantiser work on. */
export interface TypedArrays {
  float32: Float32Array;
  float64: Float64Array;
  /** Bit patterns; ECMAScript has no 16-bit floats yet. */
  float16: Uint16Array;
  bfloat16: Uint16Array;
  uint8: Uint8Array;
  int8: Int8Array;
  uint16: Uint16Array;
  int16: Int16Array;
  uint32: Uint32Array;
  int32: Int32Array;
  uint64: BigUint64Array;
  int64: BigInt64Array;
  bool: Uint8Array;
}
export type ElementType = keyof TypedArrays;

export interface Tensor<Type extends ElementType = ElementType> {
  readonly type: Type;
  readonly dims: readonly number[];
  readonly data: TypedArrays[Type];
}

export type AttributeValue = number | readonly number[] | string | readonly string[] | Tensor | Graph;
/** The kind is kept because a whole number may be an int or a float attribute. */
export interface Attribute {
  readonly kind: 'int' | 'ints' | 'float' | 'floats' | 'string' | 'strings' | 'tensor' | 'graph';
  readonly value: AttributeValue;
}

export interface Node {
  readonly operator: string;
  readonly domain: string;
  readonly name: string;
  /** An empty name is an optional input left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** A number, or the name of a dimension known only at run time. */
export type Dimension = number | string;

export interface ValueInfo {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly Dimension[];
  /** The file says nothing about the shape, not even how many dimensions there are; `dims` is empty then. */
  readonly anyShape?: true;
}

export interface Graph {
  readonly name: string;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly nodes: readonly Node[];
  readonly initialisers: ReadonlyMap<string, Tensor>;
}

export interface Model {
  readonly irVersion: number;
  /** Operator set version by domain; '' is the standard's own. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly producer: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly graph: Graph;
}

export const currentOpset = 17;
export const currentIrVersion = 8;

export function createModel(graph: Graph, metadata: Record<string, string> = {}): Model {
  return {
    irVersion: currentIrVersion,
    opsets: { '': currentOpset },
    producer: 'serin',
    metadata,
    graph,
  };
}

export const elementCount = (dims: readonly number[]): number => dims.reduce((count, dim) => count * dim, 1);

export const floats = (dims: readonly number[], values: ArrayLike<number>): Tensor<'float32'> => ({
  type: 'float32',
  dims,
  data: Float32Array.from(values),
});
export const scalar = (value: number): Tensor<'float32'> => floats([], [value]);
export const longs = (values: readonly number[]): Tensor<'int64'> => ({
  type: 'int64',
  dims: [values.length],
  data: BigInt64Array.from(values, BigInt),
});

export const int = (value: number): Attribute => ({ kind: 'int', value });
export const ints = (value: readonly number[]): Attribute => ({ kind: 'ints', value });
export const float = (value: number): Attribute => ({ kind: 'float', value });
export const text = (value: string): Attribute => ({ kind: 'string', value });

/** The attribute as a number, or the standard's default. */
export function numberAttribute(node: Node, name: string, otherwise: number): number {
  const value = node.attributes[name]?.value;
  return typeof value === 'number' ? value : otherwise;
}

export function textAttribute(node: Node, name: string, otherwise: string): string {
  const value = node.attributes[name]?.value;
  return typeof value === 'string' ? value : otherwise;
}

export function numbersAttribute(node: Node, name: string, otherwise: readonly number[]): readonly number[] {
  const attribute = node.attributes[name];
  return attribute?.kind === 'ints' || attribute?.kind === 'floats' ? (attribute.value as readonly number[]) : otherwise;
}
