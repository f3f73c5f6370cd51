import { existsSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { createApiClient } from '@serin/protocol/api/client';
import { asSerinError, describeError } from '@serin/protocol/errors';
import { readArguments, usage } from './arguments.ts';
import { startFleet, type Fleet } from './fleet.ts';
import { tellStory } from './story.ts';

const began = performance.now();
function say(line: string): void {
  const seconds = ((performance.now() - began) / 1000).toFixed(1).padStart(6);
  process.stdout.write(`${seconds} s  ${line}\n`);
}

async function main(): Promise<number> {
  let options: ReturnType<typeof readArguments>;
  try {
    options = readArguments(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${describeError(asSerinError(error))}\n`);
    return 2;
  }
  if (options.help) {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  if (options.fresh) rmSync(options.data, { recursive: true, force: true });
  const isNew = !existsSync(path.join(options.data, 'server'));
  mkdirSync(options.data, { recursive: true });

  const stopping = new AbortController();
  let signals = 0;
  const onSignal = () => {
    if (++signals > 1) process.exit(1);
    say('stopping everything (once more to stop at once)');
    stopping.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  process.on('SIGHUP', onSignal);

  let fleet: Fleet | undefined;
  try {
    fleet = await startFleet({ ...options, say, signal: stopping.signal });
    if (!stopping.signal.aborted) {
      const api = createApiClient({ baseUrl: fleet.server.ready.httpUrl, fetch, token: fleet.server.ready.adminToken });
      if (options.story && isNew) await tellStory({ api, say, signal: stopping.signal });
      else say('no story this time: the Demo menu of the console changes the light and publishes bad versions; `npm start -- --fresh` tells it again');
    }
    if (!stopping.signal.aborted) say('the fleet goes on until Ctrl-C');
    await Promise.race([fleet.lost, untilAborted(stopping.signal)]);
    return stopping.signal.aborted ? 0 : 1;
  } catch (error) {
    if (stopping.signal.aborted) return 0;
    process.stderr.write(`${describeError(asSerinError(error, 'START_FAILED'))}\n`);
    return 1;
  } finally {
    await fleet?.stop();
    say('stopped; nothing is left running');
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

process.exitCode = await main();
process.exit();
