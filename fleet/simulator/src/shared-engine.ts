import { createHash } from 'node:crypto';
import ort from 'onnxruntime-node';
import { SerinError } from '@serin/protocol/errors';
import type { Engine, EngineSession, EngineTensor } from '@serin/device/ports';

interface Shared {
  session: Promise<ort.InferenceSession>;
  users: number;
}

const sessionOptions: ort.InferenceSession.SessionOptions = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  logSeverityLevel: 3,
  // A spinning worker burns a whole core that the devices share.
  extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
};

/** ONNX Runtime for Node, one session for each model however many devices run it: that is what makes a thousand of them small. */
export class SharedEngine implements Engine {
  readonly name = 'onnxruntime-node cpu';
  readonly #shared = new Map<string, Shared>();

  async open(model: Uint8Array): Promise<EngineSession> {
    const digest = createHash('sha256').update(model).digest('hex');
    const shared = this.#shared.get(digest) ?? { session: ort.InferenceSession.create(model, sessionOptions), users: 0 };
    this.#shared.set(digest, shared);
    shared.users++;
    let isOpen = true;
    const close = async (): Promise<void> => {
      if (!isOpen) return;
      isOpen = false;
      shared.users--;
      if (shared.users > 0) return;
      this.#shared.delete(digest);
      await shared.session.then((session) => session.release()).catch(() => {});
    };
    try {
      const session = await shared.session;
      return { run: (inputs) => run(session, inputs), close };
    } catch (cause) {
      await close();
      throw new SerinError('MODEL_LOAD_FAILED', { detail: cause instanceof Error ? cause.message : String(cause), cause });
    }
  }

  /** Models loaded now. */
  get models(): number {
    return this.#shared.size;
  }
}

async function run(session: ort.InferenceSession, inputs: Record<string, EngineTensor>): Promise<Record<string, EngineTensor>> {
  const feeds: Record<string, ort.Tensor> = {};
  for (const [name, { dtype, data, shape }] of Object.entries(inputs)) feeds[name] = new ort.Tensor(dtype as 'float32', data as Float32Array, shape);
  const results = await session.run(feeds);
  return Object.fromEntries(Object.entries(results).map(([name, { type, dims, data }]) => [name, { dtype: type, shape: dims, data: data as EngineTensor['data'] }]));
}
