import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

import type * as Core from '@tensorflow/tfjs-core';
import type * as Layers from '@tensorflow/tfjs-layers';

import { SerinError } from '@serin/protocol/errors';

import { elementValues } from '../onnx/element-values.ts';
import type { Tensor } from '../onnx/graph.ts';
import { field, isObject } from './config.ts';
import type { TfjsFiles } from './open-model.ts';

export type Tfjs = typeof Core & typeof Layers;

/** tfjs as it is installed here: the reference that an imported model is compared with. */
export interface TfjsRuntime {
  readonly name: string;
  readonly tf: Tfjs;
  /** Better ones that are not used, and why. */
  readonly passedOver: readonly string[];
}

/** In the order of preference: the native one, the whole package, the parts of it that are needed. */
const candidates: readonly (readonly string[])[] = [
  ['@tensorflow/tfjs-node'],
  ['@tensorflow/tfjs'],
  ['@tensorflow/tfjs-core', '@tensorflow/tfjs-layers', '@tensorflow/tfjs-backend-cpu'],
];

/** The folder the command runs in, and this program's own. */
export const usualPlaces = (): string[] => [pathToFileURL(`${process.cwd()}/`).href, import.meta.url];

/** The first tfjs that can be loaded from one of these places. */
export async function openTfjs(places: readonly string[] = usualPlaces()): Promise<TfjsRuntime> {
  const passedOver: string[] = [];
  for (const names of candidates) {
    for (const place of places) {
      const found = load(names, createRequire(place));
      if (typeof found === 'string') {
        if (!passedOver.includes(found)) passedOver.push(found);
        continue;
      }
      found.enableProdMode();
      await found.ready();
      return { name: `${names[0] ?? ''} ${found.version_core} (${found.getBackend()})`, tf: found, passedOver };
    }
  }
  throw new SerinError('NOT_FOUND', {
    detail: `no tfjs can be loaded here: ${passedOver.join('; ')}`,
    hint: 'npm install @tensorflow/tfjs-node (native, downloads its library), or @tensorflow/tfjs-core @tensorflow/tfjs-layers @tensorflow/tfjs-backend-cpu',
  });
}

/** The packages as one, or why there is none. */
function load(names: readonly string[], require: NodeJS.Require): Tfjs | string {
  try {
    return Object.assign({}, ...names.map((name) => require(name) as object)) as Tfjs;
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND';
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    return isMissing ? `${names[0] ?? ''} is not installed` : `${names[0] ?? ''} does not load: ${reason.slice(0, 200)}`;
  }
}

/** What tfjs makes of some inputs; tensors in and out lie as tfjs has them. */
export async function predictWithTfjs({ tf }: TfjsRuntime, files: TfjsFiles, inputs: ReadonlyMap<string, Tensor>): Promise<Tensor[]> {
  const topology = field(files.document, 'model_topology');
  const manifest = field(files.document, 'weights_manifest');
  const groups = (Array.isArray(manifest) ? manifest : []).filter(isObject);
  const model = await tf.loadLayersModel({
    load: async () => ({
      modelTopology: topology as object,
      weightSpecs: groups.flatMap((group) => field(group, 'weights') as Core.io.WeightsManifestEntry[]),
      weightData: new Uint8Array(Buffer.concat(files.bytes)).buffer,
    }),
  });
  try {
    const fed = files.network.inputs.map(({ layer }) => inputs.get(layer) as Tensor<'float32'>);
    return await predict(tf, model, fed);
  } finally {
    model.dispose();
  }
}

export async function predict(tf: Tfjs, model: Layers.LayersModel, inputs: readonly Tensor[]): Promise<Tensor[]> {
  const fed = inputs.map(({ type, dims, data }) => tf.tensor(data as Float32Array, [...dims], type as 'float32'));
  const made = model.predict(fed.length === 1 ? (fed[0] as Core.Tensor) : fed);
  const outputs = Array.isArray(made) ? made : [made];
  const results = await Promise.all(
    outputs.map(async (output): Promise<Tensor> => ({ type: 'float32', dims: output.shape, data: Float32Array.from(await output.data()) })),
  );
  tf.dispose([...fed, ...outputs]);
  return results;
}

/** The largest difference as a share of the largest value (or of 1 where all are smaller); infinite where shapes differ. */
export function differenceOf(left: Tensor, right: Tensor | undefined): number {
  if (right === undefined || left.dims.join() !== right.dims.join()) return Number.POSITIVE_INFINITY;
  let [largest, difference] = [1, 0];
  const others = elementValues(right);
  for (const value of elementValues(left)) {
    const distance = Math.abs(value - (others.next().value ?? Number.NaN));
    difference = Number.isNaN(distance) ? Number.POSITIVE_INFINITY : Math.max(difference, distance);
    largest = Math.max(largest, Math.abs(value));
  }
  return difference / largest;
}
