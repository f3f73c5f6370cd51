import { fork } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { SerinError } from '@serin/protocol/errors';

import type { Tensor } from '../onnx/graph.ts';
import { builtModule } from '../train/built-module.ts';
import { orCancelled } from '../train/cancellation.ts';
import type { MemoryAnswer, MemoryTask } from './memory-child.ts';

export interface MemoryOptions {
  readonly threads: number;
  readonly signal?: AbortSignal | undefined;
  /** A process that has not answered by then is ended. */
  readonly timeMsMax?: number;
}

const usualTimeMsMax = 60_000;
/** What a process holds does not grow after a few. */
const queriesMax = 5;

/**
 * By how much a process of its own grows at most while it reads a model and answers, in bytes; or, in words, why that is not known.
 * A process that has run others holds on to what they left, so nothing could be told from the one that asks.
 */
export async function measureMemory(model: Uint8Array, feeds: readonly Readonly<Record<string, Tensor>>[], options: MemoryOptions): Promise<number | string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'serin-memory-'));
  const file = path.join(folder, 'model.onnx');
  let end = (): void => {};
  try {
    await writeFile(file, model);
    const child = fork(fileURLToPath(builtModule(new URL('memory-child.js', import.meta.url))), [], {
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      env: { PATH: process.env.PATH ?? '', LANG: process.env.LANG ?? 'C.UTF-8' },
    });
    end = () => void child.kill('SIGKILL');
    const answer = new Promise<number | string>((resolve) => {
      const late = setTimeout(() => resolve('it had not answered in time'), options.timeMsMax ?? usualTimeMsMax);
      child.once('exit', () => clearTimeout(late));
      child.once('message', (said: MemoryAnswer) => resolve('bytes' in said ? said.bytes : said.failed));
      child.once('error', (error) => resolve(error.message));
      child.once('exit', (code, signal) => resolve(`the process ended ${signal === null ? `with code ${code}` : `by ${signal}`}`));
    });
    const task: MemoryTask = { file, feeds: feeds.slice(0, queriesMax), threads: options.threads };
    child.send(task, () => undefined);
    return await orCancelled(answer, options.signal);
  } catch (error) {
    if (error instanceof SerinError) throw error;
    return error instanceof Error ? error.message : String(error);
  } finally {
    end();
    await rm(folder, { recursive: true, force: true });
  }
}
