import { realpath, stat } from 'node:fs/promises';
import path from 'node:path';

import { asSerinError } from '@serin/protocol/errors';

import { openInside, readModelBytes } from '../onnx/external-data.ts';
import type { Tensor } from '../onnx/graph.ts';
import { modelBytesMax } from '../onnx/model-file.ts';
import { field, invalid, isObject, type Json } from './config.ts';
import { readTopology, type Network } from './topology.ts';
import { decodeGroup, readManifest, type WeightGroup } from './weights.ts';

export interface OpenTfjsOptions {
  /** The weights, as they lie in files and as they are in memory. */
  readonly sizeBytesMax?: number;
}

/** A Layers model as it lies in its folder. */
export interface TfjsFiles {
  /** `model.json`, parsed. */
  readonly document: Json;
  readonly network: Network;
  readonly weights: ReadonlyMap<string, Tensor>;
  /** How the weights were stored, such as float32 and uint8. */
  readonly stored: readonly string[];
  /** The bytes of all groups, for a runtime that reads them itself. */
  readonly bytes: readonly Uint8Array[];
}

const jsonBytesMax = 64 * 2 ** 20;

/** Reads a `model.json`, or the one in a folder, with the weights beside it. */
export async function openTfjsModel(file: string, { sizeBytesMax = modelBytesMax }: OpenTfjsOptions = {}): Promise<TfjsFiles> {
  const isFolder = await stat(file).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const place = isFolder ? path.join(file, 'model.json') : file;
  const document = parseDocument(await readModelBytes(place, Math.min(jsonBytesMax, sizeBytesMax)));
  const network = readTopology(document);
  const groups = readManifest(field(document, 'weights_manifest') ?? [], sizeBytesMax);
  const weights = new Map<string, Tensor>();
  const bytes: Uint8Array[] = [];
  const folder = await realpath(path.dirname(place));
  for (const group of groups) {
    const whole = await readGroup(folder, group);
    for (const [name, tensor] of decodeGroup(group, whole)) weights.set(name, tensor);
    bytes.push(whole);
  }
  const stored = groups.flatMap((group) => group.weights).map(({ type, quantisation }) => quantisation?.type ?? type);
  return { document, network, weights, stored: [...new Set(stored)], bytes };
}

export function parseDocument(bytes: Uint8Array): Json {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw invalid(`it is no JSON: ${asSerinError(cause).detail ?? ''}`, 'Give the folder of the model, or its model.json');
  }
  if (!isObject(document)) throw invalid('its JSON is not an object', 'Give the folder of the model, or its model.json');
  return document;
}

/** The files of a group, one after the other. They lie in the folder of the model or below. */
async function readGroup(folder: string, { files, sizeBytes }: WeightGroup): Promise<Uint8Array> {
  const whole = new Uint8Array(sizeBytes);
  let filled = 0;
  for (const name of files) {
    const file = await openInside(folder, name);
    try {
      const { size } = await file.stat();
      if (filled + size > sizeBytes) throw invalid(`its weights take ${sizeBytes} bytes, its files have more`, 'Copy all files of the model again');
      const { bytesRead } = await file.read(whole, filled, size, 0);
      filled += bytesRead;
    } finally {
      await file.close();
    }
  }
  return whole.subarray(0, filled);
}
