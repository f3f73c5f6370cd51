import { constants } from 'node:fs';
import { open, readFile, realpath, stat, type FileHandle } from 'node:fs/promises';
import path from 'node:path';

import { SerinError } from '@serin/protocol/errors';

import type { Model } from './graph.ts';
import { modelBytesMax, modelOfProto, readProto } from './model-file.ts';
import type { GraphProto, TensorProto } from './schema.ts';

export interface OpenOptions {
  /** The model file and everything it reads from other files together. */
  readonly sizeBytesMax?: number;
}

const external = 1;
const inline = 0;
const hint = 'Put the files of the weights beside the model, or save it with all weights in one file';
const invalid = (detail: string, cause?: unknown): SerinError => new SerinError('MODEL_INVALID', { detail, hint, ...(cause === undefined ? {} : { cause }) });

/** Reads a model file; weights it keeps in other files are read as well if these lie in its own folder. */
export async function openModelFile(file: string, options: OpenOptions = {}): Promise<Model> {
  const { sizeBytesMax = modelBytesMax } = options;
  const proto = readProto(await readModelBytes(file, sizeBytesMax), sizeBytesMax);
  const tensors = [...allTensors(proto.graph)].filter(({ dataLocation }) => dataLocation === external);
  if (tensors.length > 0) await fillIn(tensors, await realpath(path.dirname(file)), sizeBytesMax);
  return modelOfProto(proto);
}

export async function readModelBytes(file: string, sizeBytesMax: number): Promise<Uint8Array> {
  try {
    const found = await stat(file);
    if (!found.isFile()) throw new SerinError('MODEL_INVALID', { detail: `${file} is not a file` });
    if (found.size > sizeBytesMax) {
      throw new SerinError('MODEL_INVALID', {
        detail: `${found.size} bytes, more than the limit of ${sizeBytesMax}`,
        hint: 'Make the model smaller, or raise the limit',
      });
    }
    return await readFile(file);
  } catch (cause) {
    if (cause instanceof SerinError) throw cause;
    throw new SerinError('NOT_FOUND', { detail: `${file} cannot be read`, hint: 'Check the path and that the file is yours to read', cause });
  }
}

function* allTensors(graph: GraphProto): Generator<TensorProto> {
  yield* graph.initialisers;
  for (const node of graph.nodes) {
    for (const { t, g, tensors, graphs } of node.attributes) {
      if (t !== undefined) yield t;
      yield* tensors;
      for (const inner of g === undefined ? graphs : [g, ...graphs]) yield* allTensors(inner);
    }
  }
}

/** Reads the bytes of every tensor into it. */
async function fillIn(tensors: readonly TensorProto[], folder: string, sizeBytesMax: number): Promise<void> {
  const parts = new Map<string, { tensor: TensorProto; place: Place }[]>();
  for (const tensor of tensors) {
    const place = placeOf(tensor);
    const known = parts.get(place.location);
    if (known === undefined) parts.set(place.location, [{ tensor, place }]);
    else known.push({ tensor, place });
  }
  let left = sizeBytesMax;
  for (const [location, inFile] of parts) {
    const file = await openInside(folder, location);
    try {
      const { size } = await file.stat();
      for (const { tensor, place } of inFile) {
        const { offset, length = size - offset } = place;
        if (length < 0 || offset + length > size) throw invalid(`tensor ${tensor.name ?? ''} ends after byte ${size}, the end of ${location}`);
        left -= length;
        if (left < 0) throw invalid(`its weights are larger than the limit of ${sizeBytesMax} bytes`);
        const bytes = new Uint8Array(length);
        const { bytesRead } = await file.read(bytes, 0, length, offset);
        if (bytesRead < length) throw invalid(`${location} ends before tensor ${tensor.name ?? ''} does`);
        tensor.rawData = bytes;
        tensor.dataLocation = inline;
      }
    } finally {
      await file.close();
    }
  }
}

interface Place {
  readonly location: string;
  readonly offset: number;
  readonly length: number | undefined;
}

function placeOf(tensor: TensorProto): Place {
  const entries = new Map(tensor.externalData.map(({ key, value }) => [key, value ?? '']));
  const name = tensor.name ?? '';
  const number = (key: string): number | undefined => {
    const text = entries.get(key);
    if (text === undefined) return undefined;
    if (!/^\d{1,15}$/.test(text)) throw invalid(`the ${key} of tensor ${name} is not a number`);
    return Number(text);
  };
  const location = entries.get('location') ?? '';
  if (location === '' || location.includes('\0')) throw invalid(`tensor ${name} lies in another file that it does not name`);
  return { location, offset: number('offset') ?? 0, length: number('length') };
}

function isInside(folder: string, file: string): boolean {
  const within = path.relative(folder, file);
  return within !== '' && !within.startsWith('..') && !path.isAbsolute(within);
}

/** Opens a plain file below the folder; what leads out of it, by `..`, an absolute path or a link, is refused. */
export async function openInside(folder: string, location: string): Promise<FileHandle> {
  const asked = path.resolve(folder, location);
  const outside = (): SerinError => invalid(`its weights lie in ${location}, outside the model's folder`);
  if (path.isAbsolute(location) || !isInside(folder, asked)) throw outside();
  try {
    const file = await realpath(asked);
    if (!isInside(folder, file)) throw outside();
    // Not to wait for the writer of a pipe, nor to follow a link put there since.
    const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
  } catch (cause) {
    if (cause instanceof SerinError) throw cause;
    throw invalid(`its weights lie in ${location}, which cannot be read`, cause);
  }
  throw invalid(`its weights lie in ${location}, which is not a plain file`);
}
