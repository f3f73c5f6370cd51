#!/usr/bin/env node
import { mkdirSync, writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { asSerinError, describeError, SerinError } from '@serin/protocol/errors';
import { writeMosquittoFiles } from './broker-files.ts';
import { configHelp, readConfig, type Config } from './config.ts';
import { lockFolder } from '@serin/node/folder-lock';
import { requireLoopback } from './http/listener.ts';
import { checkBrokerAddress } from './link/broker-address.ts';
import { createLog, type Log } from './log.ts';
import { openStore } from './store/open.ts';
import { wireControlPlane, type ControlPlane, type ServerReady } from './wiring.ts';

const drainMs = 10_000;

interface Running {
  stop(): Promise<void>;
}

/** Takes the folder, opens the database, starts every part; what was begun is undone when a later step fails. */
async function start(config: Config, log: Log, signal: AbortSignal): Promise<Running & { plane: ControlPlane }> {
  const undo: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (let step = undo.pop(); step !== undefined; step = undo.pop()) await step();
  };
  try {
    requireLoopback(config.httpHost, config.insecure);
    if (config.mqttUrl !== undefined) checkBrokerAddress(config.mqttUrl, config.insecure);
    makeDataFolder(config.data);
    const lock = await lockFolder(config.data);
    undo.push(() => lock.release());
    log.info({ data: config.data, database: config.databaseUrl === undefined ? 'embedded' : 'PostgreSQL' }, 'opening the database');
    const store = await openStore({
      dataDir: config.data,
      log,
      signal,
      startLimitMs: config.databaseWaitMs,
      ...(config.databaseUrl === undefined ? {} : { databaseUrl: config.databaseUrl }),
    });
    undo.push(() => store.close());
    const plane = await wireControlPlane(config, store, log);
    await plane.start(signal);
    undo.push(() => plane.stop(drainMs));
    return { plane, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function makeDataFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOSPC') throw asSerinError(cause);
    throw new SerinError('START_FAILED', { detail: `the data folder ${folder} cannot be made (${code})`, hint: 'Choose another with --data', cause });
  }
}

/** Tells whoever started this: a person on stdout, a parent by the process channel, a script by a descriptor. */
async function announce(plane: ControlPlane): Promise<ServerReady> {
  const ready = await plane.ready();
  process.stdout.write(`devices join at ${ready.deviceUrl}, broker ${ready.brokerUrl}\nopen ${ready.signInUrl}\n`);
  if (process.send !== undefined) process.send({ type: 'ready', ...ready, adminToken: await plane.parentToken() });
  const descriptor = Number(process.env.SERIN_READY_FD);
  if (Number.isInteger(descriptor) && descriptor > 2) writeSync(descriptor, `${JSON.stringify({ type: 'ready', ...ready })}\n`);
  return ready;
}

/** At a start nothing goes on by itself: this process ends. */
function startError(thrown: unknown): SerinError {
  const error = asSerinError(thrown, 'START_FAILED');
  if (error.code !== 'DISK_FULL') return error;
  return new SerinError('DISK_FULL', {
    ...(error.detail === undefined ? {} : { detail: error.detail }),
    hint: 'Free some space and start again',
    cause: error,
  });
}

function fail(thrown: unknown, exitCode: number): number {
  process.stderr.write(`${describeError(startError(thrown))}\n`);
  return exitCode;
}

async function serve(config: Config): Promise<number> {
  const log = createLog(config.logLevel);
  const stopping = new AbortController();
  const stopped = new Promise<void>((resolve) => stopping.signal.addEventListener('abort', () => resolve(), { once: true }));
  const onSignal = (): void => {
    if (stopping.signal.aborted) process.exit(1);
    log.info({}, 'stopping; once more to stop at once');
    stopping.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  // A parent that ends takes its server with it.
  process.on('disconnect', () => stopping.abort());

  let running: Awaited<ReturnType<typeof start>>;
  try {
    running = await start(config, log, stopping.signal);
  } catch (error) {
    if (stopping.signal.aborted) return 0;
    return fail(error, 1);
  }
  const { httpUrl } = await announce(running.plane);
  log.info({ httpUrl }, 'ready');
  await stopped;
  await running.stop();
  log.info({}, 'stopped');
  return 0;
}

/** `mosquitto-config --out DIR [settings]` */
async function writeBrokerFiles(args: readonly string[]): Promise<number> {
  const { values, tokens } = parseArgs({ args: [...args], options: { out: { type: 'string' } }, strict: false, tokens: true });
  if (typeof values.out !== 'string') return fail(new SerinError('CONFIG_INVALID', { detail: '--out is missing; it must be a folder for the files' }), 2);
  const own = new Set(
    tokens.flatMap((token) =>
      token.kind === 'option' && token.name === 'out' ? [token.index, ...(token.inlineValue === false ? [token.index + 1] : [])] : [],
    ),
  );
  let config: Config;
  try {
    config = readConfig(
      args.filter((_, index) => !own.has(index)),
      process.env,
    );
  } catch (error) {
    return fail(error, 2);
  }
  try {
    process.stdout.write(`${await writeMosquittoFiles(config, values.out)}\n`);
    return 0;
  } catch (error) {
    return fail(error, 1);
  }
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(configHelp());
    return 0;
  }
  if (args[0] === 'mosquitto-config') return writeBrokerFiles(args.slice(1));
  let config: Config;
  try {
    config = readConfig(args, process.env);
  } catch (error) {
    return fail(error, 2);
  }
  return serve(config);
}

// The rows are the truth: ending at once and starting again is safe, going on in an unknown state is not.
const onFault = (fault: unknown): void => {
  process.stderr.write(`${fault instanceof Error ? (fault.stack ?? fault.message) : String(fault)}\n`);
  process.exit(1);
};
process.on('uncaughtException', onFault);
process.on('unhandledRejection', onFault);

process.exit(await main(process.argv.slice(2)));
