import { sha256 } from '@serin/protocol/digest';

import type { Model, Tensor } from '../onnx/graph.ts';

/** The model with some weights replaced. */
export function withWeights(model: Model, weights: ReadonlyMap<string, Tensor>): Model {
  const initialisers = new Map([...model.graph.initialisers, ...weights]);
  return { ...model, graph: { ...model.graph, initialisers } };
}

/** Digest over names, shapes and values of all weights: equal runs give equal digests. */
export async function weightDigest(model: Model): Promise<string> {
  const encoder = new TextEncoder();
  const parts: Uint8Array[] = [];
  for (const [name, tensor] of [...model.graph.initialisers].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    parts.push(encoder.encode(`${name}:${tensor.type}[${tensor.dims.join()}]\n`));
    parts.push(new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength));
  }
  const bytes = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return sha256(bytes);
}

export const countParameters = (model: Model): number => [...model.graph.initialisers.values()].reduce((count, tensor) => count + tensor.data.length, 0);
