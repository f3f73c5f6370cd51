import { SerinError } from '@serin/protocol/errors';
import type { Engine, EngineSession, EngineTensor } from '@serin/device/ports';
import type { EngineOperation, EngineReply, EngineRequest, EngineResults } from './engine-protocol.ts';

type Payload<Operation extends EngineOperation> = Omit<Extract<EngineRequest, { op: Operation }>, 'id' | 'op'>;

export interface WorkerEngineOptions {
  worker: Worker;
  /** Folder of ONNX Runtime's `.mjs` and `.wasm`, on the page's own origin. */
  runtimeUrl: string;
  threads: number;
}

interface Waiting {
  resolve(result: EngineResults[EngineOperation]): void;
  reject(error: SerinError): void;
}

/** ONNX Runtime for the web, in a module worker: a long run never blocks the page. */
export class WorkerEngine implements Engine {
  readonly name: string;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #started: Promise<null>;
  #requests = 0;
  #fault: SerinError | undefined;

  constructor({ worker, runtimeUrl, threads }: WorkerEngineOptions) {
    this.name = 'onnxruntime-web wasm';
    this.#worker = worker;
    worker.addEventListener('message', ({ data }: MessageEvent<EngineReply>) => this.#settle(data));
    worker.addEventListener('error', (event) => this.#fail(event.message || 'the worker did not load'));
    worker.addEventListener('messageerror', () => this.#fail('a message could not be read'));
    this.#started = this.#ask('start', { runtimeUrl, threads });
    // Reported by whoever opens a model; unobserved here it would only be noise.
    this.#started.catch(() => {});
  }

  async open(model: Uint8Array): Promise<EngineSession> {
    await this.#started;
    const session = await this.#ask('open', { model });
    return {
      run: (inputs: Record<string, EngineTensor>) => this.#ask('run', { session, inputs }),
      close: async () => {
        if (this.#fault === undefined) await this.#ask('close', { session });
      },
    };
  }

  /** Ends the worker; everything still under way is cancelled. */
  stop(): void {
    this.#worker.terminate();
    this.#end(new SerinError('CANCELLED', { detail: 'the model was closed' }));
  }

  #ask<Operation extends EngineOperation>(op: Operation, payload: Payload<Operation>): Promise<EngineResults[Operation]> {
    if (this.#fault !== undefined) return Promise.reject(this.#fault);
    const id = this.#requests++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as Waiting['resolve'], reject });
      this.#worker.postMessage({ id, op, ...payload });
    });
  }

  #settle(reply: EngineReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if ('code' in reply) waiting?.reject(new SerinError(reply.code, { detail: reply.detail }));
    else waiting?.resolve(reply.result);
  }

  #fail(detail: string): void {
    this.#end(new SerinError('INFERENCE_CRASHED', { detail }));
  }

  #end(fault: SerinError): void {
    this.#fault ??= fault;
    for (const { reject } of this.#waiting.values()) reject(fault);
    this.#waiting.clear();
  }
}
