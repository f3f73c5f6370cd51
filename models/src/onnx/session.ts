import { SerinError } from '@serin/protocol/errors';
import ort from 'onnxruntime-node';

import type { ElementType, Model, Tensor } from './graph.ts';
import { writeModel } from './model-file.ts';

export type Session = ort.InferenceSession;
export interface SessionOptions {
  readonly threads?: number;
  readonly optimisation?: 'disabled' | 'basic' | 'extended' | 'all';
  /** Where the runtime writes the graph it really runs; used to look at fused kernels. */
  readonly optimisedPath?: string;
  /** What fails is only thrown, not printed by the runtime as well: for callers who expect it. */
  readonly quiet?: boolean;
}

export async function openSession(bytes: Uint8Array, options: SessionOptions = {}): Promise<Session> {
  const { threads = 1, optimisation = 'all', optimisedPath, quiet = false } = options;
  try {
    return await ort.InferenceSession.create(bytes, {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      graphOptimizationLevel: optimisation,
      logSeverityLevel: quiet ? 4 : 3,
      // A spinning worker burns a whole core that the rest of the machine needs.
      extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
      ...(optimisedPath === undefined ? {} : { optimizedModelFilePath: optimisedPath }),
    });
  } catch (cause) {
    throw new SerinError('MODEL_LOAD_FAILED', {
      detail: cause instanceof Error ? cause.message : String(cause),
      cause,
    });
  }
}

export function runtimeTensor(type: ElementType, data: Tensor['data'], dims: readonly number[]): ort.Tensor {
  return new ort.Tensor(type as 'float32', data as Float32Array, dims);
}

/** Runs a model once, as it is: all its outputs, by name. */
export async function runModel(model: Model, inputs: ReadonlyMap<string, Tensor> = new Map(), options: SessionOptions = {}): Promise<Map<string, Tensor>> {
  const session = await openSession(writeModel(model, { shapelessOutputs: true }), options);
  try {
    const feeds = Object.fromEntries([...inputs].map(([name, { type, data, dims }]) => [name, runtimeTensor(type, data, dims)]));
    const results = await session.run(feeds);
    return new Map(Object.entries(results).map(([name, result]) => [name, ownTensor(result)]));
  } finally {
    await session.release();
  }
}

function ownTensor({ type, dims, data }: ort.Tensor): Tensor {
  const { buffer, byteOffset, length } = data as Uint16Array;
  // Newer engines have an array for 16-bit floats; graphs keep their bits.
  return { type: type as ElementType, dims, data: type === 'float16' ? new Uint16Array(buffer, byteOffset, length) : (data as Tensor['data']) };
}
