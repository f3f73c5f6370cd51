import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Engine, EngineSession, EngineTensor } from '@serin/device/ports';
import { SerinError } from '@serin/protocol/errors';

const options: InferenceSession.SessionOptions = {
  executionProviders: ['cpu'],
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  // Errors only: warnings would go to stderr past the log.
  logSeverityLevel: 3,
  // Threads that spin between frames burn several times what the frames cost.
  extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
};

interface Feed {
  source: EngineTensor['data'];
  tensor: Tensor;
}

const isSameShape = (left: readonly number[], right: readonly number[]): boolean =>
  left.length === right.length && left.every((size, at) => size === right[at]);

/** ONNX Runtime on the CPU, one thread a model. A source that uses its buffer again costs no new tensor. */
export function createOrtEngine(): Engine {
  return {
    name: 'onnxruntime-node cpu',
    async open(model) {
      try {
        return createSession(await InferenceSession.create(model, options));
      } catch (cause) {
        throw new SerinError('MODEL_LOAD_FAILED', { detail: cause instanceof Error ? cause.message.slice(0, 200) : String(cause), cause });
      }
    },
  };
}

function createSession(session: InferenceSession): EngineSession {
  const feeds = new Map<string, Feed>();
  let isOpen = true;

  function feedOf(name: string, { dtype, shape, data }: EngineTensor): Tensor {
    const known = feeds.get(name);
    if (known?.source === data && known.tensor.type === dtype && isSameShape(known.tensor.dims, shape)) return known.tensor;
    const tensor = new Tensor(dtype as Tensor.Type, data, shape);
    feeds.set(name, { source: data, tensor });
    return tensor;
  }

  return {
    async run(inputs) {
      const outputs = await session.run(Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, feedOf(name, tensor)])));
      return Object.fromEntries(
        Object.entries(outputs).map(([name, { type, dims, data }]) => [name, { dtype: type, shape: dims, data: data as EngineTensor['data'] }]),
      );
    },
    async close() {
      if (!isOpen) return;
      isOpen = false;
      feeds.clear();
      await session.release();
    },
  };
}
