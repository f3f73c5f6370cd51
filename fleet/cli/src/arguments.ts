import { parseArgs, type ArgsDef, type ParsedArgs } from 'citty';
import type { z } from 'zod/mini';
import { UsageError } from './exit-codes.ts';

interface Flag {
  name: string;
  takesValue: boolean;
  options: readonly string[] | undefined;
}

function flagsOf(definitions: ArgsDef): Map<string, Flag> {
  const flags = new Map<string, Flag>();
  for (const [name, definition] of Object.entries(definitions)) {
    if (definition.type === 'positional') continue;
    const flag = { name, takesValue: definition.type !== 'boolean', options: 'options' in definition ? definition.options : undefined };
    // What is usually so can be turned off.
    if (definition.type === 'boolean' && definition.default === true) {
      flags.set(`--no-${name}`, { ...flag, name: `no-${name}` });
    }
    flags.set(`--${name}`, flag);
    const alias = ('alias' in definition ? definition.alias : undefined) ?? [];
    for (const short of typeof alias === 'string' ? [alias] : alias) flags.set(`-${short}`, flag);
  }
  return flags;
}

/** The last word may stand for several: its name ends so. */
const isMany = ([, definition]: [string, ArgsDef[string]] | readonly [string, ArgsDef[string]]): boolean => definition.valueHint?.endsWith('...') === true;

/** citty lets unknown flags and surplus words pass; here they are mistakes, and each is named. */
export function readArguments<const Args extends ArgsDef>(rawArgs: readonly string[], definitions: Args): ParsedArgs<Args> {
  const flags = flagsOf(definitions);
  const words: string[] = [];
  const normal: string[] = [];
  const rest = [...rawArgs];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === '--') {
      words.push(...rest.splice(0));
      break;
    }
    if (!arg.startsWith('-') || arg === '-') {
      words.push(arg);
      continue;
    }
    const [name = '', attached] = arg.split(/=(.*)/s, 2);
    const flag = flags.get(name);
    if (flag === undefined) throw new UsageError(`unknown option ${name}`);
    if (!flag.takesValue) {
      if (attached !== undefined) throw new UsageError(`${name} takes no value`);
      normal.push(`--${flag.name}`);
      continue;
    }
    const value = attached ?? rest.shift();
    if (value === undefined || value === '' || (attached === undefined && value.startsWith('-'))) throw new UsageError(`${name} needs a value`);
    if (flag.options !== undefined && !flag.options.includes(value)) throw new UsageError(`${name} is one of ${flag.options.join(', ')}, not "${value}"`);
    normal.push(`--${flag.name}=${value}`);
  }
  const expected = Object.entries(definitions).filter(([, { type }]) => type === 'positional');
  const needed = expected.filter(([, { required }]) => required !== false);
  if (words.length < needed.length) throw new UsageError(`missing ${needed[words.length]?.[0].toUpperCase()}`);
  const last = expected.at(-1);
  if (words.length > expected.length && !(last !== undefined && isMany(last))) throw new UsageError(`"${words[expected.length]}" is one word too many`);
  for (const [name, definition] of Object.entries(definitions)) {
    if (definition.type !== 'positional' && definition.required === true && !normal.some((arg) => arg.startsWith(`--${name}=`)))
      throw new UsageError(`missing --${name}`);
  }
  return parseArgs<Args>([...normal, '--', ...words], definitions);
}

/** A value by its schema, or a usage error that says which argument it was. */
export function readValue<Schema extends z.ZodMiniType>(schema: Schema, value: unknown, what: string, rule: string): z.infer<Schema> {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new UsageError(`${what} is ${rule}, not "${String(value)}"`);
  return parsed.data;
}

export function readWhole(text: string, what: string, least: number, most: number): number {
  const value = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) throw new UsageError(`${what} is a whole number from ${least} to ${most}, not "${text}"`);
  return value;
}
