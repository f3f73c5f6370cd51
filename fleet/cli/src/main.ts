#!/usr/bin/env node
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { runCli } from './cli.ts';
import { exitCodes } from './exit-codes.ts';
import type { World } from './world.ts';

const interrupted = new AbortController();
const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });

/** The first line of standard input, or nothing at its end. `echo` is off for secrets on a terminal. */
async function readLine(prompt: string, hasEcho: boolean): Promise<string> {
  const isTerminal = process.stdin.isTTY;
  if (isTerminal) process.stderr.write(prompt);
  const lines = createInterface({ input: process.stdin, output: hasEcho ? process.stderr : nowhere, terminal: isTerminal });
  const closed = once(lines, 'close').then(() => ['']);
  lines.once('SIGINT', () => lines.close());
  const [line] = (await Promise.race([once(lines, 'line'), closed])) as [string];
  lines.close();
  process.stdin.pause();
  if (isTerminal && !hasEcho) process.stderr.write('\n');
  return line;
}

const world: World = {
  env: process.env,
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  isTerminal: process.stdout.isTTY,
  readSecret: (prompt) => readLine(prompt, false),
  confirm: async (question) => process.stdin.isTTY && /^y(es)?$/i.test((await readLine(`${question} [y/N] `, true)).trim()),
  fetch: globalThis.fetch,
  nowMs: () => Date.now(),
  pause: (milliseconds) => delay(milliseconds, undefined, { signal: interrupted.signal }).catch(() => undefined),
  signal: interrupted.signal,
};

process.once('SIGINT', () => {
  interrupted.abort();
  process.once('SIGINT', () => process.exit(130));
});
// A reader that has seen enough (`serin device ls | head`) is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.ok);
  throw error;
});

process.exitCode = await runCli(process.argv.slice(2), world);
