import type { Worker } from 'node:worker_threads';

import { SerinError } from '@serin/protocol/errors';

import { throwIfCancelled } from '../train/cancellation.ts';
import { boost } from './boost.ts';
import { alone } from './crew.ts';
import { dismissThreads, hireThreads, releaseThreads } from './thread-pool.ts';
import type { BoostStep, TreeJob } from './tree-job.ts';

type TakeStep = (step: BoostStep) => void | Promise<void>;

export interface ThreadTask {
  readonly job: TreeJob;
  readonly index: number;
}

/** Cells up to which starting a thread takes longer than the trees. */
const smallCells = 30_000;

/** Runs the job, in threads unless it is small, and hands on every iteration in order. */
export async function runTrees(job: TreeJob, take: TakeStep, signal: AbortSignal | undefined): Promise<void> {
  throwIfCancelled(signal);
  await (job.threads === 1 && job.train.values.length <= smallCells ? runHere(job, take, signal) : runThreads(job, take, signal));
}

const breath = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function runHere(job: TreeJob, take: TakeStep, signal: AbortSignal | undefined): Promise<void> {
  for (const step of boost(job, alone)) {
    await take(step);
    await breath();
    throwIfCancelled(signal);
  }
}

async function runThreads(job: TreeJob, take: TakeStep, signal: AbortSignal | undefined): Promise<void> {
  const workers = hireThreads(job.threads);
  let stop = (): void => {};
  let isDone = false;
  try {
    const cancelled = new Promise<never>((_, reject) => {
      stop = () => reject(new SerinError('CANCELLED', { cause: signal?.reason }));
      signal?.addEventListener('abort', stop, { once: true });
    });
    await Promise.race([cancelled, Promise.all(workers.map((worker, index) => runThread(worker, { job, index }, take)))]);
    isDone = true;
  } finally {
    signal?.removeEventListener('abort', stop);
    // Where one thread has failed or nobody waits for them any more, the others wait for it or go on: they cannot be used again.
    await (isDone ? releaseThreads(workers) : dismissThreads(workers));
  }
}

/** Resolves when the thread has done its part and every step it told of was taken; leaves no listener behind. */
function runThread(worker: Worker, task: ThreadTask, take: TakeStep): Promise<void> {
  return new Promise((resolve, reject) => {
    let last: Promise<void> = Promise.resolve();
    const end = (settle: () => void): void => {
      worker.off('message', hear).off('error', fail).off('exit', leave);
      settle();
    };
    const refuse = (detail: string, cause?: unknown): void =>
      end(() => reject(new SerinError('JOB_FAILED', { detail: `a thread that grows trees ${detail}`, cause })));
    const hear = (said: BoostStep | 'done'): void => {
      last = last.then(() => (said === 'done' ? end(resolve) : take(said)));
      last.catch((cause: unknown) => end(() => reject(cause)));
    };
    const fail = (cause: unknown): void => refuse(`failed: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
    const leave = (code: number): void => refuse(`ended by itself with code ${code}`);
    worker.on('message', hear).on('error', fail).on('exit', leave);
    worker.postMessage(task);
  });
}
