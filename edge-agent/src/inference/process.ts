import { freemem } from 'node:os';
import { createLocalRunner } from '@serin/device/local-runner';
import type { Runner } from '@serin/device/ports';
import { seededRandom } from '@serin/inference/random';
import { asSerinError } from '@serin/protocol/errors';
import { systemClock } from '../clock.ts';
import { createOrtEngine } from '../engine.ts';
import type { Log } from '../log.ts';
import { openBinCamera } from '../sources/bin-camera.ts';
import { aliveMs, type Down, type InferenceSettings, type Order, type Up } from './messages.ts';

/** The inference process: camera, models and windows. It lives as long as the agent that started it, and no longer. */

const send = (message: Up): void => {
  // The agent may be gone between two frames; the disconnection ends this process.
  if (process.connected) process.send?.(message, undefined, {}, () => undefined);
};

const log = Object.fromEntries(
  (['debug', 'info', 'warn', 'error'] as const).map((level) => [
    level,
    (fields: Record<string, unknown>, event: string) => void (level === 'debug' || send({ type: 'log', level, event, fields })),
  ]),
) as unknown as Log;

let runner: Runner | undefined;
let close = async (): Promise<void> => {};

async function begin({ fps, sceneFile, seed, deadlineMs }: InferenceSettings): Promise<void> {
  const random = seededRandom(seed);
  const source = openBinCamera({ fps, sceneFile, clock: systemClock, random: random.fork('camera'), log });
  close = () => source.close();
  runner = createLocalRunner({
    engine: createOrtEngine(),
    source,
    clock: systemClock,
    random: random.fork('samples'),
    deadlineMs,
    // Where Node knows of a container's limit, that one counts.
    freeBytes: () => process.availableMemory?.() ?? freemem(),
    onFault: (error) => {
      const { code, message } = asSerinError(error);
      log.warn({ code, detail: message }, 'frame failed');
    },
  });
  await runner.start({
    window: (window) => send({ type: 'window', window }),
    sample: (sample) => send({ type: 'sample', sample }),
    restarted: () => undefined,
  });
  send({ type: 'ready', camera: source.description });
}

async function carryOut(order: Order): Promise<Pick<Extract<Up, { type: 'done' }>, 'report' | 'reply'>> {
  if (order.kind === 'stop') {
    await runner?.stop();
    await close();
    return {};
  }
  if (runner === undefined) throw new Error('not begun');
  if (order.kind === 'activate') await runner.activate(order.digest);
  if (order.kind === 'drop') await runner.drop(order.digest);
  if (order.kind === 'ask') return { reply: await runner.ask(order.model, order.record, order.options) };
  if (order.kind !== 'warm') return {};
  const variants = order.variants.map(({ modelBytes, ...bundle }) => ({ ...bundle, modelBytes: () => Promise.resolve(modelBytes) }));
  return { report: await runner.warm(...variants) };
}

async function onMessage(message: Down): Promise<void> {
  if (message.type === 'begin') return begin(message.settings);
  if (message.type === 'configure') return runner?.configure(message.settings);
  const { id, order } = message;
  try {
    send({ type: 'done', id, ...(await carryOut(order)) });
  } catch (thrown) {
    const { code, detail, message: words } = asSerinError(thrown);
    send({ type: 'failed', id, code, detail: detail ?? words });
  }
}

process.on('message', (message: Down) => {
  onMessage(message).catch((error: unknown) => {
    log.error({ detail: String(error) }, 'inference process ends');
    process.exit(1);
  });
});
process.once('disconnect', () => process.exit(0));
// Ctrl-C reaches the whole group; the agent says when to stop.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
setInterval(() => send({ type: 'alive' }), aliveMs).unref();
