import { parseArgs, type ParseArgsConfig } from 'node:util';
import { SerinError } from '@serin/protocol/errors';

/** How the text of a setting becomes its value; the rule is the words a person gets for a wrong one. */
export interface SettingKind<Value> {
  rule: string;
  read(text: string): Value | undefined;
  isSwitch?: boolean;
}

export interface Setting<Value> {
  group: string;
  about: string;
  kind: SettingKind<Value>;
  /** The value where nothing is said; may follow from settings before it. `words` is what help and docs print. */
  usual: { words: string; value: (config: Readonly<Record<string, unknown>>) => Value };
  /** Only where the name differs from SERIN_ and the key. */
  env?: string;
  isSecret?: boolean;
}

export type SettingTable = Record<string, Setting<unknown>>;
export type ConfigOf<Table extends SettingTable> = { readonly [Key in keyof Table]: Table[Key] extends Setting<infer Value> ? Value : never };

export const text = (rule: string, pattern: RegExp): SettingKind<string> => ({ rule, read: (value) => (pattern.test(value) ? value : undefined) });

export const wholeNumber = (least: number, most: number): SettingKind<number> => ({
  rule: `a whole number from ${least} to ${most}`,
  read: (value) => (/^\d{1,15}$/.test(value) && Number(value) >= least && Number(value) <= most ? Number(value) : undefined),
});

export const decimal = (least: number, most: number): SettingKind<number> => ({
  rule: `a number from ${least} to ${most}`,
  read: (value) => (/^\d{1,15}(\.\d{1,15})?$/.test(value) && Number(value) >= least && Number(value) <= most ? Number(value) : undefined),
});

export const choice = <const Names extends readonly string[]>(names: Names): SettingKind<Names[number]> => ({
  rule: `one of ${names.join(', ')}`,
  read: (value) => names.find((name) => name === value),
});

export const yesOrNo: SettingKind<boolean> = {
  rule: 'true or false',
  isSwitch: true,
  read: (value) => (value === 'true' || value === '1' ? true : value === 'false' || value === '0' ? false : undefined),
};

export const optional = <Value>(kind: SettingKind<Value>): SettingKind<Value | undefined> => ({ ...kind, read: kind.read });

export const address = (schemes: readonly string[]): SettingKind<string> => ({
  rule: `an address that begins with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`,
  read(value) {
    const url = URL.canParse(value) ? new URL(value) : undefined;
    return url !== undefined && url.hostname !== '' && schemes.includes(url.protocol.slice(0, -1)) ? value : undefined;
  },
});

export const listOf = (kind: SettingKind<string>): SettingKind<readonly string[]> => ({
  rule: `a comma-separated list, each ${kind.rule}`,
  read(value) {
    const items = value
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '');
    return items.every((item) => kind.read(item) !== undefined) ? items : undefined;
  },
});

export const flagOf = (key: string): string => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
export const envOf = (key: string, setting: Setting<unknown>): string =>
  setting.env ?? `SERIN_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;

/** Settings of the other programs may be around; everything else that begins with SERIN_ is a mistake worth saying. */
const foreign = /^SERIN_(URL|TOKEN|JOIN_TOKEN|READY_FD|TEST_.*|AGENT_.*|SOURCE_.*)$/;

function refuse(key: string, value: string, rule: string): never {
  throw new SerinError('CONFIG_INVALID', { detail: `${key} is "${value}"; it must be ${rule}` });
}

function readFlags(table: SettingTable, args: readonly string[]): Map<string, string> {
  const options: NonNullable<ParseArgsConfig['options']> = {};
  for (const key of Object.keys(table)) options[flagOf(key)] = { type: 'string' };
  const values = new Map<string, string>();
  // A bare switch means true; parseArgs knows no option with a value that may be left out.
  const spelled = args.map((arg) =>
    Object.entries(table).some(([key, { kind }]) => kind.isSwitch === true && arg === `--${flagOf(key)}`) ? `${arg}=true` : arg,
  );
  const { tokens } = parseArgs({ args: spelled, options, strict: false, tokens: true, allowPositionals: true });
  for (const token of tokens ?? []) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional') refuse('argument', token.value, 'a flag; see --help');
    const key = Object.keys(table).find((candidate) => flagOf(candidate) === token.name);
    if (key === undefined) refuse(token.rawName, token.value ?? '', 'a known flag; see --help');
    if (typeof token.value !== 'string') refuse(token.rawName, '', table[key]?.kind.rule ?? 'given a value');
    values.set(key, token.value);
  }
  return values;
}

/** Flags before environment before what is usual; anything unknown or malformed is one line that names it. */
export function readSettings<Table extends SettingTable>(
  table: Table,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): ConfigOf<Table> {
  const flags = readFlags(table, args);
  const names = new Set(Object.entries(table).map(([key, setting]) => envOf(key, setting)));
  for (const [name, value] of Object.entries(env)) {
    if (name.startsWith('SERIN_') && !names.has(name) && !foreign.test(name)) refuse(name, value ?? '', 'a known setting; see --help');
  }
  const config: Record<string, unknown> = {};
  for (const [key, setting] of Object.entries(table)) {
    const name = flags.has(key) ? `--${flagOf(key)}` : envOf(key, setting);
    const given = flags.get(key) ?? env[envOf(key, setting)];
    if (given === undefined || (given === '' && !flags.has(key))) {
      config[key] = setting.usual.value(config);
      continue;
    }
    const value = setting.kind.read(given);
    if (value === undefined) refuse(name, setting.isSecret === true ? '…' : given, setting.kind.rule);
    config[key] = value;
  }
  return Object.freeze(config) as ConfigOf<Table>;
}

function groupsOf(table: SettingTable): Map<string, [string, Setting<unknown>][]> {
  const groups = new Map<string, [string, Setting<unknown>][]>();
  for (const entry of Object.entries(table)) groups.set(entry[1].group, [...(groups.get(entry[1].group) ?? []), entry]);
  return groups;
}

export function settingsHelp(table: SettingTable): string {
  const sections = [...groupsOf(table)].map(([group, entries]) => {
    const lines = entries.map(([key, setting]) => `  --${flagOf(key).padEnd(24)} ${setting.about} (${setting.usual.words}; ${envOf(key, setting)})`);
    return `${group}\n${lines.join('\n')}`;
  });
  return sections.join('\n\n');
}

export function settingsDocs(table: SettingTable): string {
  const sections = [...groupsOf(table)].map(([group, entries]) => {
    const rows = entries.map(
      ([key, setting]) => `| \`--${flagOf(key)}\` | \`${envOf(key, setting)}\` | ${setting.usual.words} | ${setting.about} | ${setting.kind.rule} |`,
    );
    return `## ${group}\n\n| flag | environment | usual | what it does | rule |\n| --- | --- | --- | --- | --- |\n${rows.join('\n')}\n`;
  });
  return sections.join('\n');
}
