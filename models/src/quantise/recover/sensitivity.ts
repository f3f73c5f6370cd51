import type { Model } from '../../onnx/graph.ts';
import { throwIfCancelled } from '../../train/cancellation.ts';
import type { Quantised } from '../quantise.ts';
import { decibelsOf, noiseOf, type Reference } from './noise.ts';

export interface LayerSensitivity {
  readonly name: string;
  /** Of the last layers when this layer alone has 8 bits: what is heard of it through all the others. */
  readonly sqnrDb: number;
  /** The task's metric then, for those that lose most. */
  readonly metric?: number;
}

export interface SensitivityOptions {
  /** Nodes to look at. */
  readonly names: readonly string[];
  /** The model with this one of them in 8 bits and no other. */
  readonly only: (name: string) => Promise<Quantised>;
  readonly reference: Reference;
  /** Higher is better; asked for `metricMax` layers. */
  readonly metric: (model: Model) => Promise<number>;
  readonly metricMax: number;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (fraction: number) => void;
}

/** Layers by what 8 bits cost them, the worst first: by noise, and the foremost of these by the task's metric. */
export async function rankLayers(options: SensitivityOptions): Promise<LayerSensitivity[]> {
  const { names, only, reference, metric, metricMax, threads, signal } = options;
  const measured: (LayerSensitivity & { readonly model: Model | undefined })[] = [];
  for (const [index, name] of names.entries()) {
    throwIfCancelled(signal);
    const { model } = await only(name);
    measured.push({ name, sqnrDb: decibelsOf(await noiseOf(model, reference, { threads, signal })), model });
    options.onProgress?.((index + 1) / names.length);
    measured.sort((a, b) => a.sqnrDb - b.sqnrDb);
    // Only those whose metric will be asked for are worth the memory.
    for (const [place, each] of measured.entries()) if (place >= metricMax && each.model !== undefined) measured[place] = { ...each, model: undefined };
  }
  const front: LayerSensitivity[] = [];
  for (const { name, sqnrDb, model } of measured.slice(0, metricMax)) {
    throwIfCancelled(signal);
    if (model !== undefined) front.push({ name, sqnrDb, metric: await metric(model) });
  }
  // A stable sort: what the metric cannot tell apart stays in the order of the noise.
  front.sort((a, b) => (a.metric ?? 0) - (b.metric ?? 0));
  return [...front, ...measured.slice(metricMax).map(({ name, sqnrDb }) => ({ name, sqnrDb }))];
}
