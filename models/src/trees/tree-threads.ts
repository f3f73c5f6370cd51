import { Worker } from 'node:worker_threads';

import { SerinError } from '@serin/protocol/errors';

import { throwIfCancelled } from '../train/cancellation.ts';
import { builtModule } from '../train/built-module.ts';
import { boost } from './boost.ts';
import { alone } from './crew.ts';
import type { BoostStep, TreeJob } from './tree-job.ts';

type TakeStep = (step: BoostStep) => void | Promise<void>;

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
  const workers = Array.from(
    { length: job.threads },
    (_, index) => new Worker(builtModule(new URL('tree-worker.js', import.meta.url)), { workerData: { job, index }, execArgv: [] }),
  );
  let stop = (): void => {};
  try {
    await new Promise<void>((resolve, reject) => {
      stop = () => reject(new SerinError('CANCELLED', { cause: signal?.reason }));
      signal?.addEventListener('abort', stop, { once: true });
      let last: Promise<void> = Promise.resolve();
      workers[0]?.on('message', (step: BoostStep) => {
        last = last.then(async () => {
          await take(step);
          if (step.end !== undefined) resolve();
        });
        last.catch(reject);
      });
      for (const worker of workers) {
        worker.once('error', (cause) =>
          reject(
            new SerinError('JOB_FAILED', { detail: `a thread that grows trees failed: ${cause instanceof Error ? cause.message : String(cause)}`, cause }),
          ),
        );
        worker.once('exit', (code) => {
          if (code !== 0) reject(new SerinError('JOB_FAILED', { detail: `a thread that grows trees ended by itself with code ${code}` }));
        });
      }
    });
  } finally {
    signal?.removeEventListener('abort', stop);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}
