import { parentPort } from 'node:worker_threads';

import { boost } from './boost.ts';
import { createCrew } from './crew.ts';
import type { ThreadTask } from './tree-threads.ts';

/** One of the threads that grow trees together, one job after another. The first one tells of what they have grown. */
parentPort?.on('message', ({ job, index }: ThreadTask) => {
  for (const step of boost(job, createCrew(job.words, index, job.threads))) if (index === 0) parentPort?.postMessage(step);
  parentPort?.postMessage('done');
});
