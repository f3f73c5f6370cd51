import { readFileSync } from 'node:fs';
import path from 'node:path';

import { checkPipeline } from '@serin/protocol/pipeline-file';

import { runPipeline } from '../run-pipeline.ts';

/** Runs the pipeline of a folder and tells its parent of every step and of the digest of its weights; killed at any moment, the next start goes on. */
const folder = process.argv[2] ?? '';
const file = checkPipeline(JSON.parse(readFileSync(path.join(folder, 'pipeline.json'), 'utf8')));
const { report } = await runPipeline(
  { file, inputs: (name) => path.resolve(folder, name), cacheFolder: path.join(folder, '.cache'), threads: 1, checkpointSeconds: 0.02 },
  {
    onStage: ({ name, state }) => process.send?.({ at: `${name} ${state}` }),
    onSeries: (name, points) => process.send?.({ at: `${name} ${points.length}` }),
  },
);
process.send?.({ digest: report.weightDigest, metrics: report.metrics, log: report.log }, () => process.exit(0));
