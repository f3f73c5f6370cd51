import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

import type * as Core from '@tensorflow/tfjs-core';
import type * as Layers from '@tensorflow/tfjs-layers';

import type { Random } from '@serin/inference/random';

import { field } from '../config.ts';
import { parseDocument, type TfjsFiles } from '../open-model.ts';
import type { Tfjs } from '../runtime.ts';
import { readTopology } from '../topology.ts';
import { decodeGroup, readManifest } from '../weights.ts';

export interface Saved {
  readonly document: Record<string, unknown>;
  readonly bytes: Uint8Array;
}

/** Weights that no initialiser draws, so that none of them can be left out or exchanged unnoticed. */
export function randomise(tf: Tfjs, model: Layers.LayersModel, random: Random): void {
  const variances = new Set(model.weights.filter(({ originalName }) => originalName.endsWith('variance')));
  const all = model.weights.map((weight) => {
    const { shape } = weight.read();
    const size = shape.reduce<number>((product, dim) => product * (dim ?? 1), 1);
    const spread = 1 / Math.sqrt(Math.max(1, size / (shape.at(-1) ?? 1)));
    const draw = (): number => (variances.has(weight) ? random.between(0.5, 2) : random.normal() * Math.max(spread, 0.1));
    return tf.tensor(Float32Array.from({ length: size }, draw), shape as number[]);
  });
  // In the order of the weights themselves, which is not that of getWeights.
  model.weights.forEach((weight, index) => weight.write(all[index] as Core.Tensor));
  tf.dispose(all);
}

/** As `model.save` writes it. */
export async function save(tf: Tfjs, model: Layers.LayersModel): Promise<Saved> {
  let saved: Saved | undefined;
  await model.save(
    tf.io.withSaveHandler(async ({ modelTopology, weightSpecs, weightData, format }) => {
      const manifest = [{ paths: ['group1-shard1of1.bin'], weights: weightSpecs }];
      const document = { format, modelTopology, weightsManifest: manifest };
      saved = { document: JSON.parse(JSON.stringify(document)), bytes: new Uint8Array(weightData as ArrayBuffer) };
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
    }),
  );
  return saved as Saved;
}

/** What reading the saved files gives. */
export function filesOf({ document, bytes }: Saved): TfjsFiles {
  const parsed = parseDocument(new TextEncoder().encode(JSON.stringify(document)));
  const groups = readManifest(field(parsed, 'weights_manifest'), 2 ** 30);
  const weights = new Map(groups.flatMap((group) => [...decodeGroup(group, bytes)]));
  return { document: parsed, network: readTopology(parsed), weights, stored: ['float32'], bytes: [bytes] };
}

export async function writeSaved(folder: string, { document, bytes }: Saved): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'model.json'), JSON.stringify(document));
  await writeFile(path.join(folder, 'group1-shard1of1.bin'), bytes);
}
