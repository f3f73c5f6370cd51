import { parentPort, workerData } from 'node:worker_threads';

import { boost } from './boost.ts';
import { createCrew } from './crew.ts';
import type { TreeJob } from './tree-job.ts';

/** One of the threads that grow trees together. The first one tells of what they have grown. */
const { job, index } = workerData as { job: TreeJob; index: number };
for (const step of boost(job, createCrew(job.words, index, job.threads))) if (index === 0) parentPort?.postMessage(step);
