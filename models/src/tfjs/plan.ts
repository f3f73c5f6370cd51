import { invalid, quote } from './config.ts';
import { inputClass, type LayerSpec, type Network, type Source } from './topology.ts';

/** One call of a layer. */
export interface Call {
  readonly layer: LayerSpec;
  readonly index: number;
  readonly sources: readonly Source[];
}

const keyOf = (layer: string, index: number): string => `${index}/${layer}`;

/** All calls of a network, each behind those it takes from. */
export function planCalls(network: Network): Call[] {
  const isInput = new Set(network.inputs.map(({ layer }) => layer));
  const calls = network.layers
    .filter(({ className, name }) => className !== inputClass && !isInput.has(name))
    .flatMap((layer) => layer.calls.map((sources, index): Call => ({ layer, index, sources })));
  const made = new Set(calls.map(({ layer, index }) => keyOf(layer.name, index)));
  const waiting = new Map<string, Call[]>();
  const missing = new Map<Call, number>();
  for (const call of calls) {
    const from = new Set(call.sources.filter(({ layer }) => !isInput.has(layer)).map(({ layer, call: index }) => keyOf(layer, index)));
    for (const key of from) {
      if (!made.has(key)) throw invalid(`${quote(call.layer.name)} takes from ${quote(key)}, which nothing makes`);
      waiting.set(key, [...(waiting.get(key) ?? []), call]);
    }
    missing.set(call, from.size);
  }
  const planned = calls.filter((call) => missing.get(call) === 0);
  for (const { layer, index } of planned) {
    for (const next of waiting.get(keyOf(layer.name, index)) ?? []) {
      const left = (missing.get(next) ?? 0) - 1;
      missing.set(next, left);
      if (left === 0) planned.push(next);
    }
  }
  if (planned.length < calls.length) throw invalid(`the layers of ${quote(network.name)} wait for each other`);
  return planned;
}
