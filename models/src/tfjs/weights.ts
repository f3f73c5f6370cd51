import { elementCount, type Tensor } from '../onnx/graph.ts';
import { elementValues } from '../onnx/element-values.ts';
import { field, invalid, listOf, objectOf, quote, textOf, unsupported } from './config.ts';

const groupsMax = 10_000;
const filesMax = 100_000;
const weightsMax = 100_000;
const rankMax = 8;

/** As a weight lies in the files. */
const storedBytes: Readonly<Record<string, number>> = { float32: 4, int32: 4, bool: 1, uint8: 1, uint16: 2, float16: 2 };

interface Quantisation {
  readonly type: 'uint8' | 'uint16' | 'float16';
  readonly scale: number;
  readonly least: number;
}

export interface WeightSpec {
  readonly name: string;
  readonly type: 'float32' | 'int32' | 'bool';
  readonly dims: readonly number[];
  readonly quantisation?: Quantisation;
  /** The optimiser's own, saved beside the model's. */
  readonly ofOptimiser: boolean;
  readonly sizeBytes: number;
}

/** Weights that lie one after the other in the files, as if these were one. */
export interface WeightGroup {
  readonly files: readonly string[];
  readonly weights: readonly WeightSpec[];
  readonly sizeBytes: number;
}

/** The `weightsManifest` of a model; what it would take to hold is checked before anything is read. */
export function readManifest(value: unknown, bytesMax: number): WeightGroup[] {
  const groups = listOf(value, 'weightsManifest', groupsMax).map(readGroup);
  const weights = groups.flatMap((group) => group.weights);
  const names = new Set(weights.map(({ name }) => name));
  if (names.size < weights.length) throw invalid('two weights have the same name');
  if (weights.length > weightsMax) throw invalid(`it has ${weights.length} weights, more than the limit of ${weightsMax}`);
  if (groups.reduce((sum, { files }) => sum + files.length, 0) > filesMax) throw invalid(`its weights lie in more than ${filesMax} files`);
  const decoded = weights.reduce((sum, { type, dims }) => sum + elementCount(dims) * (storedBytes[type] ?? 4), 0);
  // Written so that a sum beyond all numbers is refused too.
  if (!(decoded <= bytesMax))
    throw invalid(`its weights take ${decoded} bytes, more than the limit of ${bytesMax}`, 'Make the model smaller, or raise the limit');
  return groups;
}

function readGroup(value: unknown): WeightGroup {
  const group = objectOf(value, 'a group of weights');
  const files = listOf(field(group, 'paths'), 'the files of a group of weights', filesMax).map((file) => textOf(file, 'the name of a file of weights'));
  const weights = listOf(field(group, 'weights'), 'a group of weights', weightsMax).map(readSpec);
  return { files, weights, sizeBytes: weights.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
}

function readSpec(value: unknown): WeightSpec {
  const spec = objectOf(value, 'a weight');
  const name = textOf(field(spec, 'name'), 'the name of a weight');
  const dims = listOf(field(spec, 'shape'), `the shape of ${quote(name)}`, rankMax).map((dim) => {
    if (!Number.isInteger(dim) || Number(dim) < 0 || Number(dim) > 2 ** 31) throw invalid(`the shape of ${quote(name)} is not one of whole numbers`);
    return Number(dim);
  });
  const type = textOf(field(spec, 'dtype'), `the type of ${quote(name)}`);
  if (type !== 'float32' && type !== 'int32' && type !== 'bool')
    throw unsupported(`weight ${quote(name)} is of type ${quote(type)}`, 'Weights may be float32 or int32');
  const given = field(spec, 'quantization') ?? undefined;
  const quantisation = given === undefined ? undefined : readQuantisation(given, name, type);
  return {
    name,
    type,
    dims,
    ofOptimiser: field(spec, 'group') === 'optimizer',
    sizeBytes: elementCount(dims) * (storedBytes[quantisation?.type ?? type] ?? 4),
    ...(quantisation === undefined ? {} : { quantisation }),
  };
}

function readQuantisation(value: unknown, name: string, of: string): Quantisation {
  const settings = objectOf(value, `the quantisation of ${quote(name)}`);
  const type = textOf(field(settings, 'dtype'), `the quantised type of ${quote(name)}`);
  if (type === 'float16' && of === 'float32') return { type, scale: 1, least: 0 };
  if (type !== 'uint8' && type !== 'uint16')
    throw unsupported(`weight ${quote(name)} is quantised to ${quote(type)}`, 'Quantise to uint8, uint16 or float16, or not at all');
  const [scale, least] = [field(settings, 'scale'), field(settings, 'min')];
  if (!Number.isFinite(scale) || !Number.isFinite(least)) throw invalid(`weight ${quote(name)} is quantised without a scale and a minimum`);
  return { type, scale: Number(scale), least: Number(least) };
}

/** The weights of a group by name, as floats where they were quantised; `bytes` are its files, one after the other. */
export function decodeGroup(group: WeightGroup, bytes: Uint8Array): Map<string, Tensor> {
  if (bytes.byteLength !== group.sizeBytes) {
    throw invalid(
      `its weights take ${group.sizeBytes} bytes, the files ${quote(group.files.join(', '))} have ${bytes.byteLength}`,
      'Copy all files of the model again',
    );
  }
  const weights = new Map<string, Tensor>();
  let offset = 0;
  for (const spec of group.weights) {
    // A copy, because typed arrays need alignment.
    const own = bytes.slice(offset, offset + spec.sizeBytes).buffer;
    offset += spec.sizeBytes;
    if (!spec.ofOptimiser) weights.set(spec.name, decode(spec, own));
  }
  return weights;
}

function decode({ type, dims, quantisation }: WeightSpec, bytes: ArrayBuffer): Tensor {
  if (quantisation === undefined) {
    if (type === 'float32') return { type, dims, data: new Float32Array(bytes) };
    return type === 'int32' ? { type, dims, data: new Int32Array(bytes) } : { type, dims, data: new Uint8Array(bytes) };
  }
  const { scale, least } = quantisation;
  if (quantisation.type === 'float16')
    return { type: 'float32', dims, data: Float32Array.from(elementValues({ type: 'float16', dims, data: new Uint16Array(bytes) })) };
  const stored = quantisation.type === 'uint8' ? new Uint8Array(bytes) : new Uint16Array(bytes);
  const value = (step: number): number => step * scale + least;
  if (type === 'int32') return { type, dims, data: Int32Array.from(stored, (step) => Math.round(value(step))) };
  return { type: 'float32', dims, data: Float32Array.from(stored, value) };
}
