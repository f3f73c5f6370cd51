#!/usr/bin/env node
import { asSerinError, describeError } from '@serin/protocol/errors';
import { startAgent, type Agent } from './agent.ts';
import { systemClock } from './clock.ts';
import { configHelp, readConfig, type Config } from './config.ts';
import { createLog } from './log.ts';

const drainMs = 8_000;

/** Resolves at the first wish to stop; the second ends the process at once. */
function untilStopped(): Promise<void> {
  let wishes = 0;
  return new Promise((resolve) => {
    const onWish = (): void => {
      if (++wishes > 1) process.exit(1);
      resolve();
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onWish);
    // Whoever started this process is gone, and nobody else would stop it.
    process.once('disconnect', onWish);
  });
}

async function run(config: Config): Promise<void> {
  const log = createLog(config.logLevel);
  const stopping = new AbortController();
  const stopped = untilStopped().then(() => stopping.abort());
  const starting = startAgent({ config, clock: systemClock, random: Math.random, log, signal: stopping.signal });
  let agent: Agent;
  try {
    agent = await starting;
  } catch (error) {
    if (stopping.signal.aborted) return;
    throw error;
  }
  if (process.connected) process.send?.({ type: 'ready', device: agent.device });
  await stopped;
  log.info({}, 'stopping');
  await Promise.race([agent.stop(), systemClock.sleep(drainMs)]);
  log.info({}, 'stopped');
}

async function main(): Promise<number> {
  try {
    const args = process.argv.slice(2);
    if (args.includes('--help') || args.includes('-h')) process.stdout.write(configHelp());
    else await run(readConfig(args, process.env));
    return 0;
  } catch (thrown) {
    const error = asSerinError(thrown, 'START_FAILED');
    process.stderr.write(error.code === 'CONFIG_INVALID' ? `${error.code}: ${error.message}\n` : `${describeError(error)}\n`);
    return error.code === 'CONFIG_INVALID' ? 2 : 1;
  }
}

process.exit(await main());
