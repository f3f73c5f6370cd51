import { renderUsage } from 'citty';
import { stripVTControlCharacters } from 'node:util';
import { SerinError, describeError } from '@serin/protocol/errors';
import { productVersion } from '@serin/protocol/version';
import { readArguments } from './arguments.ts';
import type { Group, Leaf } from './command.ts';
import { alertGroup } from './commands/alert.ts';
import { dataGroup } from './commands/data.ts';
import { deviceGroup } from './commands/device.ts';
import { jobGroup } from './commands/job.ts';
import { login, logout } from './commands/login.ts';
import { modelGroup } from './commands/model.ts';
import { pipelineGroup } from './commands/pipeline.ts';
import { rolloutGroup } from './commands/rollout.ts';
import { runGroup } from './commands/run.ts';
import { sourceGroup } from './commands/source.ts';
import { exitCodeOf, exitCodes, UsageError, type ExitCode } from './exit-codes.ts';
import { printable } from './output.ts';
import type { World } from './world.ts';

const commands: Record<string, Leaf | Group> = {
  login,
  logout,
  device: deviceGroup,
  data: dataGroup,
  source: sourceGroup,
  pipeline: pipelineGroup,
  run: runGroup,
  model: modelGroup,
  rollout: rolloutGroup,
  job: jobGroup,
  alert: alertGroup,
};

const isGroup = (entry: Leaf | Group): entry is Group => 'commands' in entry;
const own = <Entry>(table: Record<string, Entry>, name: string): Entry | undefined => (Object.hasOwn(table, name) ? table[name] : undefined);
const wantsHelp = (arg: string | undefined): boolean => arg === '--help' || arg === '-h' || arg === 'help';

function overview(): string {
  const lines = Object.entries(commands).map(
    ([name, entry]) => `  ${(isGroup(entry) ? `${name} ${Object.keys(entry.commands).join('|')}` : name).padEnd(48)}${entry.description.split(';')[0]}`,
  );
  return [
    `serin ${productVersion}: the operator's command`,
    '',
    'usage: serin COMMAND [options]',
    '',
    ...lines,
    '',
    'Every command takes -o table|json|ndjson, --url and --help. Data goes to standard output, messages to standard error.',
    'SERIN_URL and SERIN_TOKEN stand in for `serin login`; NO_COLOR turns colours off.',
    '',
  ].join('\n');
}

function groupHelp(name: string, group: Group): string {
  const lines = Object.entries(group.commands).map(([verb, { description }]) => `  serin ${name} ${verb.padEnd(12)}${description}`);
  return `serin ${name}: ${group.description}\n\n${lines.join('\n')}\n`;
}

async function leafHelp(name: string, { description, args }: Leaf): Promise<string> {
  return `${stripVTControlCharacters(await renderUsage({ meta: { name: `serin ${name}`, description }, args })).replace(/ +$/gm, '')}\n`;
}

async function runLeaf(name: string, leaf: Leaf, rawArgs: readonly string[], world: World): Promise<ExitCode> {
  if (rawArgs.some((arg) => arg === '--help' || arg === '-h')) {
    world.out(await leafHelp(name, leaf));
    return exitCodes.ok;
  }
  const args = readArguments(rawArgs, leaf.args);
  return leaf.act(args, world, args.output === 'json' || args.output === 'ndjson' ? args.output : 'table');
}

async function dispatch([name, ...rest]: readonly string[], world: World): Promise<ExitCode> {
  if (name === undefined || wantsHelp(name)) {
    (name === undefined ? world.err : world.out)(overview());
    return name === undefined ? exitCodes.usage : exitCodes.ok;
  }
  if (name === '--version' || name === '-V') {
    world.out(`${productVersion}\n`);
    return exitCodes.ok;
  }
  const entry = own(commands, name);
  if (entry === undefined) throw new UsageError(`unknown command "${name}"; there are ${Object.keys(commands).join(', ')}`);
  if (!isGroup(entry)) return runLeaf(name, entry, rest, world);
  const [verb, ...rawArgs] = rest;
  if (verb === undefined || wantsHelp(verb)) {
    (verb === undefined ? world.err : world.out)(groupHelp(name, entry));
    return verb === undefined ? exitCodes.usage : exitCodes.ok;
  }
  const leaf = own(entry.commands, verb);
  if (leaf === undefined) throw new UsageError(`unknown command "${name} ${verb}"; there are ${Object.keys(entry.commands).join(', ')}`);
  return runLeaf(`${name} ${verb}`, leaf, rawArgs, world);
}

/** As much of a command line as names a command. */
function knownWords([name = '', verb = '']: readonly string[]): string {
  const entry = own(commands, name);
  if (entry === undefined) return '';
  return isGroup(entry) && own(entry.commands, verb) !== undefined ? `${name} ${verb} ` : `${name} `;
}

/** Runs one command line; the only place where errors become words and an exit code. */
export async function runCli(argv: readonly string[], world: World): Promise<ExitCode> {
  try {
    return await dispatch(argv, world);
  } catch (error) {
    if (error instanceof UsageError) {
      world.err(`serin: ${printable(error.message)}. See \`serin ${knownWords(argv)}--help\`.\n`);
      return exitCodes.usage;
    }
    if (error instanceof SerinError) {
      world.err(`serin: ${printable(describeError(error))}\n`);
      return exitCodeOf(error);
    }
    throw error;
  }
}
