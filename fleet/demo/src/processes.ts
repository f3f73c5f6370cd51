import { fork, type ChildProcess } from 'node:child_process';
import { closeSync, fstatSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { SerinError } from '@serin/protocol/errors';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

/** Where each program's compiled entry is. Programs are started, never imported. */
export const programs = {
  server: path.join(root, 'control-plane', 'dist', 'main.js'),
  agent: path.join(root, 'edge-agent', 'dist', 'main.js'),
  simulator: path.join(root, 'fleet', 'simulator', 'dist', 'main.js'),
  cli: path.join(root, 'fleet', 'cli', 'dist', 'main.js'),
} as const;

export interface ProgramOptions {
  program: keyof typeof programs;
  args: readonly string[];
  /** Added to a bare environment: a child sees no setting of the caller's by accident. */
  env?: Record<string, string>;
  /** Both output streams go to this file, appended. */
  logFile: string;
  readyTimeoutMs?: number;
  /** Ends the wait, and the program with it. */
  signal?: AbortSignal;
}

export interface Running<Ready> {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly ready: Ready;
  /** Resolves with the exit code once it has ended, however it ended. */
  readonly ended: Promise<number | null>;
  /** Asks politely, then after the deadline insists. */
  stop(deadlineMs?: number): Promise<void>;
  /** Power loss. */
  kill(): Promise<void>;
}

export interface ServerReady {
  httpUrl: string;
  deviceUrl: string;
  brokerUrl: string;
  signInUrl: string;
  /** A token for the parent process alone: it travels over the process channel and nowhere else. */
  adminToken: string;
}

/** What any program needs of its surroundings, and nothing that would set one of its settings. */
export function bareEnvironment(): Record<string, string> {
  const kept = ['PATH', 'HOME', 'LANG', 'TMPDIR', 'TEMP', 'SystemRoot', 'TZ'];
  return Object.fromEntries(kept.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));
}

/** The last coded line that a program said since then: why it did not start. */
function reasonIn(logFile: string, sinceBytes: number): string | undefined {
  const lines = readFileSync(logFile).subarray(sinceBytes).toString('utf8').split('\n');
  return lines.findLast((line) => /^[A-Z][A-Z_]+: /.test(line));
}

/** Starts a program and waits until it says it is ready, over the process channel. */
export async function startProgram<Ready>({ program, args, env = {}, logFile, readyTimeoutMs = 90_000, signal }: ProgramOptions): Promise<Running<Ready>> {
  signal?.throwIfAborted();
  mkdirSync(path.dirname(logFile), { recursive: true });
  const log = openSync(logFile, 'a');
  const logBytesBefore = fstatSync(log).size;
  const child = fork(programs[program], [...args], {
    env: { ...bareEnvironment(), ...env },
    stdio: ['ignore', log, log, 'ipc'],
    execArgv: [],
    // A group of its own: Ctrl-C in the terminal reaches the parent alone, which then stops everything in order.
    detached: process.platform !== 'win32',
  });
  closeSync(log);
  const ended = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => resolve(code));
    child.once('error', () => resolve(null));
  });
  const stop = async (deadlineMs = 10_000): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const insist = setTimeout(() => child.kill('SIGKILL'), deadlineMs);
    child.kill('SIGTERM');
    await ended;
    clearTimeout(insist);
  };
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };

  const ready = await new Promise<Ready>((resolve, reject) => {
    const fail = (detail: string) => reject(new SerinError('START_FAILED', { detail: `${program} ${detail}`, hint: `Its log: ${logFile}` }));
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      fail(`was not ready after ${readyTimeoutMs / 1000} s`);
    }, readyTimeoutMs);
    const giveUp = (): void => void stop();
    signal?.addEventListener('abort', giveUp, { once: true });
    child.on('message', (message: { type?: string } & Ready) => {
      if (message.type !== 'ready') return;
      clearTimeout(timer);
      signal?.removeEventListener('abort', giveUp);
      resolve(message);
    });
    void ended.then((code) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', giveUp);
      const reason = reasonIn(logFile, logBytesBefore);
      fail(`ended with code ${code} before it was ready${reason === undefined ? '' : `: ${reason}`}`);
    });
  });
  if (child.pid === undefined) throw new SerinError('START_FAILED', { detail: `${program} has no process id` });
  return { child, pid: child.pid, ready, ended, stop, kill };
}
