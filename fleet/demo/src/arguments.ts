import path from 'node:path';
import { parseArgs } from 'node:util';
import { SerinError } from '@serin/protocol/errors';

export const usage = `usage: npm start -- [--fresh] [--no-story] [--agents N] [--virtual N] [--port N] [--data DIR]

Starts the control plane, a broker and a database in one process, joins a small fleet and opens the console.
  --fresh      forget everything an earlier demo left behind
  --no-story   start the fleet and change nothing by itself
  --agents N   real agents, each with its own inference process (default 3)
  --virtual N  virtual devices, in one process (default 12)
  --port N     console port (default 8080; a free one when it is taken)
  --data DIR   where the demo keeps its data (default .serin/demo)`;

export interface Arguments {
  help: boolean;
  fresh: boolean;
  story: boolean;
  agents: number;
  virtual: number;
  port: number;
  data: string;
}

const options = {
  fresh: { type: 'boolean' },
  'no-story': { type: 'boolean' },
  agents: { type: 'string' },
  virtual: { type: 'string' },
  port: { type: 'string' },
  data: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

function refuse(name: string, value: string, rule: string): never {
  throw new SerinError('CONFIG_INVALID', { detail: `${name} is "${value}"; it must be ${rule}` });
}

/** Throws CONFIG_INVALID with one line for the first mistake. */
export function readArguments(args: readonly string[]): Arguments {
  const { values, tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true, allowPositionals: true });
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional') refuse('argument', token.value, 'a flag; see --help');
    const known = Object.hasOwn(options, token.name) ? options[token.name as keyof typeof options] : undefined;
    if (known === undefined) refuse(token.rawName, token.value ?? '', 'a known flag; see --help');
    if (known.type === 'boolean' && token.value !== undefined) refuse(token.rawName, token.value, 'given without a value');
    if (known.type === 'string' && token.value === undefined) refuse(token.rawName, '', 'given a value');
  }
  const number = (name: 'agents' | 'virtual' | 'port', usual: number, most: number): number => {
    const given = String(values[name] ?? usual);
    if (!/^\d{1,6}$/.test(given) || Number(given) > most) refuse(`--${name}`, given, `a whole number from 0 to ${most}`);
    return Number(given);
  };
  const data = String(values.data ?? path.join('.serin', 'demo'));
  // An empty path would be the present folder, which --fresh deletes.
  if (data === '' || data.includes('\0')) refuse('--data', data, 'a path');
  return {
    help: values.help === true,
    fresh: values.fresh === true,
    story: values['no-story'] !== true,
    agents: number('agents', 3, 16),
    virtual: number('virtual', 12, 500),
    port: number('port', 8080, 65_535),
    data: path.resolve(data),
  };
}
