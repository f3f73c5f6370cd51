import { Worker } from 'node:worker_threads';

import { builtModule } from '../train/built-module.ts';

/*
 * Threads that have grown trees before: starting one and compiling its code takes as long as many trees, and folds, searches
 * and trials train often. They keep no process alive, and end by themselves when nobody has wanted them for a while.
 */

const idleMax = 8;
const idleMsMax = 20_000;

interface Idle {
  readonly worker: Worker;
  readonly timer: NodeJS.Timeout;
  readonly drop: () => void;
}

const idle = new Set<Idle>();

/** Threads that do nothing else until they are released or dismissed. */
export function hireThreads(count: number): Worker[] {
  const known = [...idle].slice(0, count);
  for (const each of known) forget(each);
  const workers = known.map(({ worker }) => worker);
  for (const worker of workers) worker.ref();
  while (workers.length < count) workers.push(new Worker(builtModule(new URL('tree-worker.js', import.meta.url)), { execArgv: [] }));
  return workers;
}

/** Takes back threads that have finished what they were given. */
export async function releaseThreads(workers: readonly Worker[]): Promise<void> {
  const room = Math.max(0, idleMax - idle.size);
  for (const worker of workers.slice(0, room)) keep(worker);
  await dismissThreads(workers.slice(room));
}

/** Ends threads whatever they are doing. */
export async function dismissThreads(workers: readonly Worker[]): Promise<void> {
  await Promise.all(workers.map((worker) => worker.terminate()));
}

/** Ends those that wait for work. */
export async function dismissIdleThreads(): Promise<void> {
  const all = [...idle];
  for (const each of all) forget(each);
  await dismissThreads(all.map(({ worker }) => worker));
}

function keep(worker: Worker): void {
  const drop = (): void => {
    forget(each);
    void worker.terminate();
  };
  const each: Idle = { worker, drop, timer: setTimeout(drop, idleMsMax).unref() };
  // A thread that dies while nobody wants it is not hired again.
  worker.once('error', drop).once('exit', drop).unref();
  idle.add(each);
}

function forget(each: Idle): void {
  clearTimeout(each.timer);
  each.worker.off('error', each.drop).off('exit', each.drop);
  idle.delete(each);
}
