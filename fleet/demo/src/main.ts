import { existsSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { createApiClient } from '@serin/protocol/api/client';
import { asSerinError, describeError } from '@serin/protocol/errors';
import { startFleet, type Fleet } from './fleet.ts';
import { tellStory } from './story.ts';

const usage = `usage: npm start -- [--fresh] [--no-story] [--agents N] [--virtual N] [--port N] [--data DIR]

Starts the control plane, a broker and a database in one process, joins a small fleet and opens the console.
  --fresh      forget everything an earlier demo left behind
  --no-story   start the fleet and change nothing by itself
  --agents N   real agents, each with its own inference process (default 3)
  --virtual N  virtual devices, in one process (default 12)
  --port N     console port (default 8080; a free one when it is taken)
  --data DIR   where the demo keeps its data (default .serin/demo)`;

function readArguments() {
  const { values } = parseArgs({
    options: {
      fresh: { type: 'boolean', default: false },
      'no-story': { type: 'boolean', default: false },
      agents: { type: 'string', default: '3' },
      virtual: { type: 'string', default: '12' },
      port: { type: 'string', default: '8080' },
      data: { type: 'string', default: path.join('.serin', 'demo') },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const number = (name: 'agents' | 'virtual' | 'port', most: number): number => {
    const value = Number(values[name]);
    if (!Number.isInteger(value) || value < 0 || value > most)
      throw new TypeError(`--${name} is "${values[name]}"; it must be a whole number from 0 to ${most}`);
    return value;
  };
  return {
    help: values.help,
    fresh: values.fresh,
    story: !values['no-story'],
    agents: number('agents', 16),
    virtual: number('virtual', 500),
    port: number('port', 65_535),
    data: path.resolve(values.data),
  };
}

const began = performance.now();
function say(line: string): void {
  const seconds = ((performance.now() - began) / 1000).toFixed(1).padStart(6);
  process.stdout.write(`${seconds} s  ${line}\n`);
}

async function main(): Promise<number> {
  let options: ReturnType<typeof readArguments>;
  try {
    options = readArguments();
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage}\n`);
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
