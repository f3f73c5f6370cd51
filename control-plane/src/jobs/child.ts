import { trainBinPicking } from '@serin/models/examples/bin-picking/train';
import { frameBytes } from '@serin/inference/bin-scene/parameters';
import { spoilVersion } from '@serin/models/package/spoiled';
import { packReadyModel } from '@serin/models/package/ready-model';
import type { TrainedVersion } from '@serin/models/package/version';
import { asSerinError, SerinError } from '@serin/protocol/errors';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod/mini';
import { checkpointFolder, jobRequest, readChampion, readInput, readReady, readSamples, writeResult, type JobRequest } from './folder.ts';
import { runIngestJob } from './ingest-child.ts';
import { ingestRequest } from './ingest-folder.ts';
import { runImportJob } from './import-child.ts';
import { importRequest } from './import-folder.ts';
import { parentMessage, type ChildMessage } from './messages.ts';
import { runPipelineJob, type ChildTold } from './pipeline-child.ts';
import { pipelineRequest } from './run-folder.ts';

/** A job's own process: reads its folder, works, writes its folder. A crash here is a failed job and nothing else. */
const cancelled = new AbortController();

function tell(message: ChildMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(message, undefined, undefined, () => resolve());
  });
}

/** What a crash of this process costs at most. */
const checkpointEverySeconds = 5;

const told: ChildTold = {
  note: (line) => void process.stdout.write(`${line}\n`),
  progress: ({ stage, fraction, message, metrics = {} }) => void tell({ type: 'progress', stage, fraction, message, metrics }),
  news: (body) => void tell({ type: 'news', body }),
};

const anyRequest = z.discriminatedUnion('kind', [jobRequest, pipelineRequest, ingestRequest, importRequest]);

async function run(folder: string): Promise<void> {
  const request = anyRequest.parse(JSON.parse(await readFile(path.join(folder, 'request.json'), 'utf8')));
  if ('cacheFolder' in request) await runPipelineJob(folder, request, told, cancelled.signal);
  else if (request.kind === 'ingest') await runIngestJob(folder, request, told, cancelled.signal);
  else if (request.kind === 'import') await writeResult(folder, await runImportJob(request, told, cancelled.signal));
  else await writeResult(folder, await train(folder, request));
}

async function train(folder: string, request: JobRequest): Promise<TrainedVersion> {
  if (request.kind === 'spoil') {
    const version = await readInput(folder);
    if (version === undefined) throw new SerinError('JOB_FAILED', { detail: 'there is no version to start from' });
    return spoilVersion(version, request.seed);
  }
  if (request.kind === 'pack') {
    return packReadyModel(await readReady(folder), { seed: request.seed, ...(request.labels.length === 0 ? {} : { labels: request.labels }) });
  }
  const [samples, champion] = await Promise.all([readSamples(folder, frameBytes), readChampion(folder)]);
  const { kind, seed, baseFrames, epochs, light, framesPerWindow, threads } = request;
  return trainBinPicking(
    {
      ...(request.model === undefined ? {} : { model: request.model }),
      seed,
      baseFrames,
      epochs,
      light,
      framesPerWindow,
      ...(samples === undefined ? {} : { samples }),
      ...(champion === undefined ? {} : { champion }),
      // Weights that know the parts already: a first version takes seconds, and a retraining goes on from what serves.
      start: kind === 'retrain' && champion !== undefined ? champion : 'starter',
    },
    {
      threads,
      signal: cancelled.signal,
      checkpoint: { folder: await checkpointFolder(folder), everySeconds: checkpointEverySeconds },
      onNote: told.note,
      onProgress: told.progress,
    },
  );
}

async function main(folder: string): Promise<void> {
  try {
    await run(folder);
    await tell({ type: 'done' });
  } catch (thrown) {
    const error = cancelled.signal.aborted ? new SerinError('CANCELLED') : asSerinError(thrown, 'JOB_FAILED');
    if (!(thrown instanceof SerinError)) process.stderr.write(`${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}\n`);
    await tell({ type: 'failed', code: error.code, detail: error.detail ?? error.message, hint: error.hint });
  }
}

process.on('message', (message) => {
  if (parentMessage.safeParse(message).success) cancelled.abort();
});
// Without its parent nobody would take the result.
process.on('disconnect', () => process.exit(1));
// The terminal's Ctrl-C reaches the whole group; the parent decides what becomes of its jobs.
process.on('SIGINT', () => {});

const folder = process.argv[2];
if (folder === undefined) throw new Error('usage: child <job folder>');
await main(folder);
process.exit(0);
