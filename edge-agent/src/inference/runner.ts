import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Clock, Runner, RunnerHandlers, RunnerSettings } from '@serin/device/ports';
import { isErrorCode, SerinError } from '@serin/protocol/errors';
import type { Digest } from '@serin/protocol/ids';
import type { Log } from '../log.ts';
import type { Down, InferenceSettings, Order, SentBundle, Up } from './messages.ts';

export interface ProcessRunnerOptions {
  settings: InferenceSettings;
  clock: Clock;
  log: Log;
  limits?: Partial<RunnerLimits>;
}

export interface RunnerLimits {
  startMs: number;
  /** Loading and proving a model. */
  warmMs: number;
  /** Any other order; also how long the process may be silent before it counts as hung. */
  answerMs: number;
}

export interface ProcessRunner extends Runner {
  /** Of the present process, for tests and for looking at it. */
  pid(): number | undefined;
  restarts(): number;
}

const usualLimits: RunnerLimits = { startMs: 30_000, warmMs: 120_000, answerMs: 30_000 };
const firstWaitMs = 200;
const longestWaitMs = 15_000;
/** A process that lived this long was a good one. */
const stableMs = 60_000;

type Done = Pick<Extract<Up, { type: 'done' }>, 'report' | 'reply'>;

interface Child {
  process: ChildProcess;
  isReady: boolean;
  bornAt: number;
  pending: Map<number, { resolve(done: Done): void; reject(error: SerinError): void }>;
  loaded: Set<Digest>;
  ended: Promise<void>;
}

const isSource = import.meta.url.endsWith('.ts');
const program = fileURLToPath(new URL(isSource ? './process.ts' : './process.js', import.meta.url));
const programArguments = isSource ? ['--conditions=source', '--import', 'tsx'] : [];

/** Nothing of the agent's own settings, and no secret among them, is the business of the process that runs models. */
const childEnvironment = (): NodeJS.ProcessEnv => Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('SERIN_')));

/** Models run in a process of their own: a crash in native code costs frames, never the agent. */
export function createProcessRunner({ settings, clock, log, limits: given = {} }: ProcessRunnerOptions): ProcessRunner {
  const limits = { ...usualLimits, ...given };
  /** Every bundle that was ever loaded: one that is asked for and not there was lost in a crash. */
  const everLoaded = new Set<Digest>();
  let handlers: RunnerHandlers | undefined;
  let configured: RunnerSettings | undefined;
  let child: Child | undefined;
  let stopping = new AbortController();
  let waiters: (() => void)[] = [];
  let failures = 0;
  let restarts = 0;
  let nextId = 0;

  const tell = (to: Child, message: Down): void => void (to.process.connected && to.process.send(message, () => undefined));

  function onMessage(from: Child, message: Up): void {
    if (message.type === 'window') handlers?.window(message.window);
    else if (message.type === 'sample') handlers?.sample(message.sample);
    else if (message.type === 'log') log[message.level](message.fields, message.event);
    else if (message.type === 'done') from.pending.get(message.id)?.resolve(message);
    else if (message.type === 'failed') {
      const { id, code, detail } = message;
      from.pending.get(id)?.reject(new SerinError(isErrorCode(code) ? code : 'INTERNAL', { detail }));
    }
  }

  /** A process that has said it is ready. Rejects when it ends before that. */
  async function launch(): Promise<Child> {
    const launched = fork(program, [], {
      execArgv: programArguments,
      env: childEnvironment(),
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const made: Child = {
      process: launched,
      isReady: false,
      bornAt: clock.elapsed(),
      pending: new Map(),
      loaded: new Set(),
      ended: new Promise((resolve) => launched.once('exit', () => resolve())),
    };
    // An error is followed by no exit when the process could not be made at all.
    const ending = new Promise<string>((resolve) => {
      launched.once('error', (error) => resolve(error.message));
      launched.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : `ended by ${signal}`));
    });
    let lastSignOfLife = clock.elapsed();
    const ready = new Promise<void>((resolve) => {
      launched.on('message', (message: Up) => {
        lastSignOfLife = clock.elapsed();
        if (message.type === 'ready') resolve();
        onMessage(made, message);
      });
    });
    tell(made, { type: 'begin', settings });
    const limit = new AbortController();
    const late = clock.sleep(limits.startMs, limit.signal).then(() => 'not ready in time');
    const failure = await Promise.race([ready, ending, late]);
    limit.abort();
    if (failure !== undefined) {
      launched.kill('SIGKILL');
      throw new SerinError('START_FAILED', { detail: `inference process: ${failure}` });
    }
    made.isReady = true;
    void ending.then((detail) => onEnd(made, detail));
    void watchHang(made, () => lastSignOfLife);
    if (configured !== undefined) tell(made, { type: 'configure', settings: configured });
    return made;
  }

  /** A model that never comes back from a run is a crash that does not end by itself. */
  async function watchHang(watched: Child, lastSignOfLife: () => number): Promise<void> {
    while (child === watched || child === undefined) {
      await clock.sleep(limits.answerMs / 4, stopping.signal);
      if (stopping.signal.aborted || watched.process.exitCode !== null || watched.process.signalCode !== null) return;
      const isWarming = watched.pending.size > 0;
      if (!isWarming && clock.elapsed() - lastSignOfLife() > limits.answerMs) watched.process.kill('SIGKILL');
    }
  }

  function onEnd(ended: Child, detail: string): void {
    const error = new SerinError('INFERENCE_CRASHED', { detail });
    for (const { reject } of ended.pending.values()) reject(error);
    if (child !== ended) return;
    child = undefined;
    if (stopping.signal.aborted) return;
    log.error({ code: error.code, detail, hint: error.hint }, 'inference process ended');
    if (clock.elapsed() - ended.bornAt > stableMs) failures = 0;
    void restart(error);
  }

  async function restart(cause: SerinError): Promise<void> {
    const { signal } = stopping;
    while (!signal.aborted) {
      await clock.sleep(Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(failures++, 10)), signal);
      if (signal.aborted) return;
      try {
        const launched = await launch();
        if (signal.aborted) return void launched.process.kill('SIGKILL');
        restarts++;
        adopt(launched);
        handlers?.restarted(cause.code, cause.detail ?? cause.message);
        return;
      } catch (error) {
        log.error({ detail: String(error) }, 'inference process does not start');
      }
    }
  }

  function adopt(ready: Child): void {
    // It may have ended while nobody looked.
    if (ready.process.exitCode !== null || ready.process.signalCode !== null) throw new SerinError('START_FAILED', { detail: 'ended at once' });
    child = ready;
    for (const wake of waiters) wake();
    waiters = [];
  }

  /** The present process, or the next one. */
  async function present(): Promise<Child> {
    while (child === undefined && !stopping.signal.aborted) await new Promise<void>((resolve) => waiters.push(resolve));
    if (child === undefined || stopping.signal.aborted) throw new SerinError('UNAVAILABLE', { detail: 'the runner is stopped' });
    return child;
  }

  async function order(to: Child, wanted: Order, limitMs: number): Promise<Done> {
    const id = nextId++;
    const limit = new AbortController();
    try {
      return await new Promise<Done>((resolve, reject) => {
        to.pending.set(id, { resolve, reject });
        if (to.process.connected) tell(to, { type: 'order', id, order: wanted });
        else reject(new SerinError('INFERENCE_CRASHED', { detail: 'the process is gone' }));
        void clock.sleep(limitMs, limit.signal).then(() => {
          if (limit.signal.aborted) return;
          // It holds the thread that every frame needs: only its end helps.
          to.process.kill('SIGKILL');
          reject(new SerinError('INFERENCE_CRASHED', { detail: `${wanted.kind} took longer than ${limitMs} ms` }));
        });
      });
    } finally {
      limit.abort();
      to.pending.delete(id);
    }
  }

  return {
    pid: () => child?.process.pid,
    restarts: () => restarts,
    async start(wanted) {
      handlers = wanted;
      stopping = new AbortController();
      adopt(await launch());
    },
    async stop() {
      const last = child;
      stopping.abort();
      for (const wake of waiters) wake();
      waiters = [];
      if (last === undefined) return;
      await order(last, { kind: 'stop' }, limits.answerMs).catch((error: unknown) =>
        log.warn({ detail: String(error) }, 'inference process did not stop by itself'),
      );
      child = undefined;
      handlers = undefined;
      // It ends when its channel does.
      if (last.process.connected) last.process.disconnect();
      await Promise.race([last.ended, clock.sleep(2_000)]);
      last.process.kill('SIGKILL');
    },
    async warm(...bundles) {
      const variants: SentBundle[] = [];
      for (const { modelBytes, ...rest } of bundles) variants.push({ ...rest, modelBytes: await modelBytes() });
      const to = await present();
      const { report } = await order(to, { kind: 'warm', variants }, limits.warmMs);
      if (report === undefined) throw new SerinError('INTERNAL', { detail: 'warmed without a report' });
      for (const { digest } of bundles) {
        to.loaded.add(digest);
        everLoaded.add(digest);
      }
      return report;
    },
    async activate(digest) {
      const to = await present();
      if (!to.loaded.has(digest) && everLoaded.has(digest))
        throw new SerinError('INFERENCE_CRASHED', { detail: `${digest.slice(0, 12)} was lost with the process` });
      await order(to, { kind: 'activate', digest }, limits.answerMs);
    },
    async drop(digest) {
      everLoaded.delete(digest);
      if (child?.loaded.delete(digest) !== true) return;
      await order(child, { kind: 'drop', digest }, limits.answerMs).catch((error: unknown) => {
        // A process that ended holds nothing any more.
        if (!(error instanceof SerinError) || error.code !== 'INFERENCE_CRASHED') throw error;
      });
    },
    async ask(model, record, options = {}) {
      const { reply } = await order(await present(), { kind: 'ask', model, record, options }, limits.answerMs);
      if (reply === undefined) throw new SerinError('INTERNAL', { detail: 'asked without a reply' });
      return reply;
    },
    configure(wanted) {
      configured = wanted;
      if (child !== undefined) tell(child, { type: 'configure', settings: wanted });
    },
  };
}
