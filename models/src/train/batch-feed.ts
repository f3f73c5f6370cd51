import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';

import { isErrorCode, SerinError } from '@serin/protocol/errors';

import type { Batch, BatchSource } from '../data/batch-source.ts';
import { batchMaker } from './batch-order.ts';
import type { BatchAnswer, BatchRequest, BatchWorkerData } from './batch-messages.ts';
import { builtModule } from './built-module.ts';
import { orCancelled } from './cancellation.ts';

/** A source that lives in a thread of its own, so that batches are prepared while steps run. */
export interface BatchModule {
  /** A module that exports `createSource(settings): BatchSource | Promise<BatchSource>`: a file URL, an absolute path or a package's module. */
  readonly module: URL | string;
  /** Handed to `createSource`; anything that can be sent to a thread. */
  readonly settings?: unknown;
  /** Batches prepared before they are asked for. */
  readonly ahead?: number;
  /** Most memory its JavaScript objects may take; typed arrays are not counted. */
  readonly heapMiB?: number;
}

export interface BatchFeed {
  readonly examples: number;
  /** The batch of a step; those up to `last` may be prepared meanwhile. Its arrays are good until the next call. */
  take(step: number, last: number): Promise<Batch>;
  close(): Promise<void>;
}

export interface FeedSettings {
  readonly batch: number;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

export async function openFeed(source: BatchSource | BatchModule, settings: FeedSettings): Promise<BatchFeed> {
  if ('module' in source) return openThread(source, settings);
  const { batch, seed, signal } = settings;
  const make = batchMaker(source, batch, seed);
  return {
    examples: source.examples,
    take: (step) => orCancelled(make(step), signal),
    close: async () => source.close?.(),
  };
}

const aheadUsual = 2;
const closeWaitMs = 2000;

async function openThread({ module, settings, ahead = aheadUsual, heapMiB }: BatchModule, { batch, seed, signal }: FeedSettings): Promise<BatchFeed> {
  const worker = startWorker({ module: specifierOf(module), settings, batch, seed }, heapMiB);
  const ready = promiseOf<number>();
  const waiting = new Map<number, PromiseParts<Batch>>();
  let asked = 0;
  let failed: SerinError | undefined;
  let closing = false;

  const fail = (error: SerinError): void => {
    failed ??= error;
    ready.reject(failed);
    for (const batchOfStep of waiting.values()) batchOfStep.reject(failed);
  };
  worker.on('message', (message: BatchAnswer) => {
    if (message.kind === 'ready') ready.resolve(message.examples);
    else if (message.kind === 'made') waiting.get(message.step)?.resolve(message.batch);
    else fail(errorOf(message));
  });
  worker.once('error', (error) => fail(crash(error, heapMiB)));
  const ended = new Promise<void>((resolve) => {
    worker.once('exit', (code) => {
      if (!closing) fail(new SerinError('TRAINING_SOURCE_FAILED', { detail: `the thread that prepares batches ended by itself with code ${code}` }));
      resolve();
    });
  });
  const close = async (): Promise<void> => {
    closing = true;
    if (failed === undefined && signal?.aborted !== true) {
      worker.postMessage({ kind: 'close' } satisfies BatchRequest);
      let timer: NodeJS.Timeout | undefined;
      await Promise.race([ended, new Promise((resolve) => (timer = setTimeout(resolve, closeWaitMs)))]);
      clearTimeout(timer);
    }
    await worker.terminate();
  };

  try {
    const examples = await orCancelled(ready.promise, signal);
    return {
      examples,
      take: async (step, last) => {
        for (asked = Math.max(asked, step - 1); asked < Math.min(step + ahead, last);) {
          asked += 1;
          const made = promiseOf<Batch>();
          waiting.set(asked, made);
          if (failed === undefined) worker.postMessage({ kind: 'make', step: asked } satisfies BatchRequest);
          else made.reject(failed);
        }
        try {
          return await orCancelled(waiting.get(step)?.promise ?? Promise.reject(new RangeError(`step ${step} was taken before`)), signal);
        } finally {
          waiting.delete(step);
        }
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function startWorker(data: BatchWorkerData, heapMiB: number | undefined): Worker {
  try {
    return new Worker(builtModule(new URL('batch-worker.js', import.meta.url)), {
      workerData: data,
      // Nothing of how this process was started, such as the way it finds its modules.
      execArgv: [],
      ...(heapMiB === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: heapMiB } }),
    });
  } catch (cause) {
    throw new SerinError('TRAINING_SOURCE_FAILED', {
      detail: `its settings cannot be sent to a thread: ${cause instanceof Error ? cause.message : String(cause)}`,
      hint: 'Settings are plain data: no functions, no classes',
      cause,
    });
  }
}

function specifierOf(module: URL | string): string {
  if (module instanceof URL) return builtModule(module).href;
  return path.isAbsolute(module) ? builtModule(pathToFileURL(module)).href : module;
}

function errorOf({ code, detail, hint, stack }: Extract<BatchAnswer, { kind: 'failed' }>): SerinError {
  const cause = new Error(detail);
  cause.stack = stack;
  const known = isErrorCode(code) ? code : 'TRAINING_SOURCE_FAILED';
  return new SerinError(known, { ...(detail === '' ? {} : { detail }), ...(hint === undefined ? {} : { hint }), cause });
}

function crash(error: Error & { code?: string }, heapMiB: number | undefined): SerinError {
  if (error.code !== 'ERR_WORKER_OUT_OF_MEMORY') return new SerinError('TRAINING_SOURCE_FAILED', { detail: error.message, cause: error });
  return new SerinError('TRAINING_SOURCE_FAILED', {
    detail: `the thread that prepares batches ran out of memory${heapMiB === undefined ? '' : `, its limit is ${heapMiB} MiB`}`,
    hint: 'Keep fewer examples as objects, or raise heapMiB of the source',
    cause: error,
  });
}

interface PromiseParts<Value> {
  readonly promise: Promise<Value>;
  resolve(value: Value): void;
  reject(error: unknown): void;
}

/** A rejection that nobody waits for yet is kept, not reported. */
function promiseOf<Value>(): PromiseParts<Value> {
  let resolve: (value: Value) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<Value>((resolved, rejected) => {
    resolve = resolved;
    reject = rejected;
  });
  promise.catch(() => {});
  return { promise, resolve, reject };
}
