import { readFile } from 'node:fs/promises';
import { systemClock } from '@serin/edge-agent/clock';
import { lockFolder, type FolderLock } from '@serin/node/folder-lock';
import { createLog } from '@serin/edge-agent/log';
import { asSerinError, describeError, SerinError } from '@serin/protocol/errors';
import { readConfig, usage, type SimulatorConfig } from './config.ts';
import { playScenario } from './scenario.ts';
import { VirtualFleet } from './virtual-fleet.ts';

async function readTokens(file: string | undefined): Promise<string[]> {
  if (file === undefined) return [];
  try {
    const text = await readFile(file, 'utf8');
    return text.split(/\s+/).filter((line) => line !== '');
  } catch (cause) {
    throw new SerinError('CONFIG_INVALID', { detail: `--tokens-file is "${file}"; it must be a file that can be read`, cause });
  }
}

async function run(config: SimulatorConfig): Promise<void> {
  const log = createLog(config['log-level']);
  const fleet = new VirtualFleet({
    config,
    tokens: await readTokens(config['tokens-file']),
    clock: systemClock,
    random: Math.random,
    logFor: (device) => log.child({ device }),
  });
  let lock: FolderLock | undefined;
  let signals = 0;
  const stopped = new Promise<void>((resolve) => {
    const onSignal = (): void => {
      if (++signals > 1) process.exit(1);
      resolve();
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
    // The parent is gone: nobody would end these devices any more.
    process.on('disconnect', onSignal);
  });
  try {
    lock = await lockFolder(config.data);
    const started = fleet.start();
    started.catch(() => {});
    const isUp = await Promise.race([started.then(() => true), stopped.then(() => false)]);
    if (!isUp) return;
    log.info({ devices: config.devices }, 'virtual devices connected');
    process.on('message', (message) => {
      playScenario(fleet, message).catch((thrown: unknown) => log.warn({ detail: asSerinError(thrown).message }, 'scenario failed'));
    });
    process.send?.({ type: 'ready' });
    await stopped;
  } finally {
    await fleet.stop();
    await lock?.release();
  }
}

async function main(): Promise<number> {
  try {
    const config = readConfig(process.argv.slice(2));
    if (config === 'help') process.stdout.write(`${usage}\n`);
    else await run(config);
    return 0;
  } catch (thrown) {
    const error = asSerinError(thrown, 'START_FAILED');
    process.stderr.write(`${describeError(error)}\n`);
    return error.code === 'CONFIG_INVALID' ? 2 : 1;
  }
}

process.exit(await main());
