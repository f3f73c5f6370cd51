import { fork } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Readable } from 'node:stream';
import { childMessage, type ChildMessage } from './messages.ts';

/** How a child ended: with its own word, or without one. */
export type ChildEnd = { kind: 'done' } | { kind: 'failed'; code: string; detail: string; hint: string } | { kind: 'crashed'; detail: string };

export interface JobProcess {
  readonly ended: Promise<ChildEnd>;
  cancel(): void;
  kill(): void;
}

export interface JobProcessOptions {
  folder: string;
  heapMiB: number;
  /** What this job alone may know of the server's environment. */
  env?: Readonly<Record<string, string>>;
  onNews?(body: unknown): void;
  onProgress(progress: Extract<ChildMessage, { type: 'progress' }>): void;
  onLine(line: string): void;
}

/** Children run compiled code; from source (tests) it lies in the build beside. */
const entry = fileURLToPath(import.meta.url.endsWith('.ts') ? new URL('../../dist/jobs/child.js', import.meta.url) : new URL('child.js', import.meta.url));

function readLines(stream: Readable | null, onLine: (line: string) => void): void {
  if (stream !== null) createInterface({ input: stream }).on('line', onLine);
}

/** Starts the process of a job. Its environment carries nothing of the server's but what is given for this very job. */
export function startJobProcess({ folder, heapMiB, env = {}, onProgress, onNews, onLine }: JobProcessOptions): JobProcess {
  const child = fork(entry, [folder], {
    execArgv: [`--max-old-space-size=${heapMiB}`],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...env, PATH: process.env.PATH ?? '', LANG: process.env.LANG ?? 'C.UTF-8' },
  });
  readLines(child.stdout, onLine);
  readLines(child.stderr, onLine);
  const ended = new Promise<ChildEnd>((resolve) => {
    let word: ChildEnd | undefined;
    child.on('message', (content) => {
      const parsed = childMessage.safeParse(content);
      if (!parsed.success) return;
      if (parsed.data.type === 'progress') onProgress(parsed.data);
      else if (parsed.data.type === 'news') onNews?.(parsed.data.body);
      else if (parsed.data.type === 'done') word = { kind: 'done' };
      else word = { kind: 'failed', code: parsed.data.code, detail: parsed.data.detail, hint: parsed.data.hint };
    });
    child.once('error', (error) => resolve({ kind: 'crashed', detail: error.message }));
    child.once('close', (code, signal) => {
      const how = signal === null ? `it ended with code ${code}` : `it was ended by ${signal}`;
      resolve(word ?? { kind: 'crashed', detail: how });
    });
  });
  return {
    ended,
    cancel() {
      if (child.connected) child.send({ type: 'cancel' });
    },
    kill() {
      child.kill('SIGKILL');
    },
  };
}
