import { fork } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import { customers, workshop } from './testing/data.ts';

const program = fileURLToPath(new URL('../../dist/pipeline/testing/killed-run.js', import.meta.url));

interface Told {
  readonly at?: string;
  readonly digest?: string;
  readonly metrics?: unknown;
  readonly log?: readonly string[];
}

/** Runs the pipeline in a process of its own, killed when it has told so many things; the last of them if it gets to the end. */
function runProcess(folder: string, killAfter: number): Promise<Told | undefined> {
  const child = fork(program, [folder], { execArgv: [] });
  let last: Told | undefined;
  let told = 0;
  return new Promise((resolve, reject) => {
    child.on('message', (message: Told) => {
      if (message.digest !== undefined) last = message;
      told += 1;
      if (told === killAfter) child.kill('SIGKILL');
    });
    child.once('close', (code, signal) => {
      if (code === 0 || signal === 'SIGKILL') resolve(last);
      else reject(new Error(`the process ended with ${code ?? signal}`));
    });
  });
}

async function prepare(): Promise<string> {
  const folder = await workshop();
  await writeFile(path.join(folder, 'customers.csv'), customers(2000));
  const pipeline = {
    v: 1,
    name: 'churn',
    ingest: { files: ['customers.csv'], spec: { kind: 'table', label: 'left', id: 'customer' } },
    train: { kind: 'trees', trees: 120, leaves: 15, rowShare: 0.7, patience: 0 },
    evaluate: { repeats: 200 },
  };
  await writeFile(path.join(folder, 'pipeline.json'), JSON.stringify(pipeline));
  return folder;
}

test('a run that is killed ten times ends with the weights and the figures of one that never was, and goes on where it was', async () => {
  const undisturbed = await runProcess(await prepare(), Infinity);
  expect(undisturbed?.digest).toMatch(/^[0-9a-f]{64}$/);
  const random = seededRandom(11);
  const folder = await prepare();
  let end: Told | undefined;
  let kills = 0;
  while (end === undefined) {
    end = await runProcess(folder, kills < 10 ? 8 + random.integer(90) : Infinity);
    kills += 1;
  }
  expect(kills).toBeGreaterThan(3);
  expect(end.digest).toBe(undisturbed?.digest);
  expect(end.metrics).toEqual(undisturbed?.metrics);
  expect(end.log?.join('\n')).toContain('training went on from tree');
});
