import { hostname } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { promising, usualCandidates } from '@serin/device/candidates';
import { parseJoinToken } from '@serin/protocol/api/join';
import { variant, type Variant } from '@serin/protocol/bundle/manifest';
import { SerinError } from '@serin/protocol/errors';
import { deviceId, type DeviceId } from '@serin/protocol/ids';
import { bundleBytesMax } from '@serin/protocol/limits';
import { logLevels, type LogLevel } from './log.ts';

export interface Config {
  data: string;
  join: string | undefined;
  token: string | undefined;
  tokenFile: string | undefined;
  name: DeviceId | undefined;
  site: string;
  fps: number;
  scene: string | undefined;
  variantPreference: readonly Variant[] | undefined;
  candidatesMax: number;
  candidateBytesMax: number;
  httpPort: number | undefined;
  logLevel: LogLevel;
  spoolBytesMax: number;
  bundleBytesMax: number;
}

interface Setting<Value> {
  about: string;
  /** What a person gets told for a wrong value. */
  rule: string;
  /** Undefined for a value that breaks the rule. */
  read(text: string): Value | undefined;
  usual: () => Value;
  usualWords: string;
  /** Where its variable is not named like the others. */
  variable?: string;
  isSecret?: boolean;
}

const folder = (text: string): string | undefined => (text === '' || text.includes('\0') ? undefined : path.resolve(text));

function numberIn(least: number, most: number): Pick<Setting<number>, 'rule' | 'read'> {
  return {
    rule: `a number from ${least} to ${most}`,
    read: (text) => (/^\d{1,15}(\.\d{1,9})?$/.test(text) && Number(text) >= least && Number(text) <= most ? Number(text) : undefined),
  };
}

function bytesIn(least: number, most: number): Pick<Setting<number>, 'rule' | 'read'> {
  return {
    rule: `a whole number of bytes from ${least} to ${most}`,
    read: (text) => (/^\d{1,15}$/.test(text) && Number(text) >= least && Number(text) <= most ? Number(text) : undefined),
  };
}

function readJoinUrl(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url?.protocol === 'https:' && url.hostname !== '' && url.username === '' && url.search === '' && url.hash === ''
    ? text.replace(/\/+$/, '')
    : undefined;
}

function readToken(text: string): string | undefined {
  try {
    parseJoinToken(text);
    return text.trim();
  } catch {
    return undefined;
  }
}

function readVariants(text: string): readonly Variant[] | undefined {
  const named = text.split(',').map((part) => variant.safeParse(part.trim()).data);
  const known = named.filter((each) => each !== undefined);
  return known.length === named.length && new Set(known).size === known.length ? known : undefined;
}

const unset = { usual: () => undefined, usualWords: 'not set' };
const megabyte = 1024 * 1024;
/** What was measured of all of them goes into one report. */
const candidatesMost = 4;

/** Every setting of the agent, once: environment, flags and --help come from here. */
const settings: { [Key in keyof Config]: Setting<Config[Key]> } = {
  data: {
    about: 'Data folder: identity, bundles, telemetry that waits',
    rule: 'a path',
    read: folder,
    usual: () => path.resolve('.serin', 'agent'),
    usualWords: '.serin/agent',
  },
  join: { about: 'Server to join, once; ignored when this device has joined', rule: 'an address like https://server:8443', read: readJoinUrl, ...unset },
  token: {
    about: 'Join token, good for one device; on the command line other users of this machine can see it',
    variable: 'SERIN_JOIN_TOKEN',
    rule: 'a join token as the console shows it, beginning with SRN1.',
    read: readToken,
    isSecret: true,
    ...unset,
  },
  tokenFile: {
    about: 'File with the join token; - reads standard input',
    rule: 'a path, or -',
    read: (text) => (text === '-' ? text : folder(text)),
    ...unset,
  },
  name: {
    about: 'Name to ask for when joining; the token may demand another',
    rule: 'lower-case letters, digits, - and _, beginning with a letter or digit, at most 63',
    read: (text) => deviceId.safeParse(text).data,
    ...unset,
  },
  site: {
    about: 'Where this device is, for people',
    rule: '1 to 64 characters',
    read: (text) => (text.length >= 1 && text.length <= 64 ? text : undefined),
    usual: () => hostname().slice(0, 64) || 'unknown',
    usualWords: 'host name',
  },
  fps: { about: 'Frames a second of the camera', ...numberIn(0.1, 240), usual: () => 10, usualWords: '10' },
  scene: { about: 'JSON file {"level", "warmth"} with the light of the rendered camera, looked at twice a second', rule: 'a path', read: folder, ...unset },
  variantPreference: {
    about: 'The only variants of a model that may run here, in the order they are tried',
    rule: `a comma-separated list of ${variant.options.join(', ')}, each at most once`,
    read: readVariants,
    usual: () => undefined,
    usualWords: 'what suits this processor',
  },
  candidatesMax: {
    about: 'Variants of a version that are fetched and tried at install; 1 takes the most promising one without comparison',
    rule: `a whole number from 1 to ${candidatesMost}`,
    read: (text) => (/^\d$/.test(text) && Number(text) >= 1 && Number(text) <= candidatesMost ? Number(text) : undefined),
    usual: () => usualCandidates.countMax,
    usualWords: String(usualCandidates.countMax),
  },
  candidateBytesMax: {
    about: 'Most that is fetched of models for comparison, besides the most promising one',
    ...bytesIn(0, bundleBytesMax),
    usual: () => usualCandidates.bytesMax,
    usualWords: String(usualCandidates.bytesMax),
  },
  httpPort: {
    about: 'Port for /healthz, /metrics and /predict/NAME on this machine alone; 0 picks a free one',
    rule: 'a whole number from 0 to 65535',
    read: (text) => (/^\d{1,5}$/.test(text) && Number(text) <= 65_535 ? Number(text) : undefined),
    ...unset,
  },
  logLevel: {
    about: 'Least severe event that is logged',
    rule: `one of ${logLevels.join(', ')}`,
    read: (text) => logLevels.find((level) => level === text),
    usual: () => 'info',
    usualWords: 'info',
  },
  spoolBytesMax: {
    about: 'Most telemetry kept while the server is away; the oldest goes first, counted',
    ...bytesIn(megabyte, 1024 * 1024 * megabyte),
    usual: () => 64 * megabyte,
    usualWords: '67108864',
  },
  bundleBytesMax: {
    about: 'Most space for bundles: the one that serves, the one before, the one that comes',
    ...bytesIn(megabyte, 64 * bundleBytesMax),
    usual: () => 3 * bundleBytesMax,
    usualWords: String(3 * bundleBytesMax),
  },
};

const keys = Object.keys(settings) as (keyof Config)[];
const flagOf = (key: string): string => `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
const prefix = 'SERIN_AGENT_';
const envOf = (key: keyof Config): string => settings[key].variable ?? `${prefix}${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;

function refuse(name: string, value: string, rule: string): never {
  throw new SerinError('CONFIG_INVALID', { detail: `${name} is "${value}"; it must be ${rule}` });
}

function readFlags(args: readonly string[]): Map<keyof Config, string> {
  const options = Object.fromEntries(keys.map((key) => [flagOf(key).slice(2), { type: 'string' as const }]));
  const values = new Map<keyof Config, string>();
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true, allowPositionals: true });
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional') refuse('argument', token.value, 'a flag; see --help');
    const key = keys.find((candidate) => flagOf(candidate) === token.rawName);
    if (key === undefined) refuse(token.rawName, token.value ?? '', 'a known flag; see --help');
    if (token.value === undefined) refuse(token.rawName, '', settings[key].rule);
    values.set(key, token.value);
  }
  return values;
}

/** The settings of this start, frozen: flags before environment before what is usual. Throws CONFIG_INVALID with one line. */
export function readConfig(args: readonly string[], env: Readonly<Record<string, string | undefined>>): Readonly<Config> {
  const flags = readFlags(args);
  const names = new Set(keys.map(envOf));
  for (const [name, value] of Object.entries(env)) {
    if (name.startsWith(prefix) && !names.has(name)) refuse(name, value ?? '', 'a known setting; see --help');
  }
  const read = <Key extends keyof Config>(key: Key): Config[Key] => {
    const { isSecret, rule, read: parse, usual }: Setting<Config[Key]> = settings[key];
    const flag = flags.get(key);
    const given = flag ?? (env[envOf(key)] || undefined);
    if (given === undefined) return usual();
    const value = parse(given);
    return value === undefined ? refuse(flag === undefined ? envOf(key) : flagOf(key), isSecret === true ? '…' : given, rule) : value;
  };
  const config = Object.fromEntries(keys.map((key) => [key, read(key)])) as unknown as Config;
  if (config.token !== undefined && config.tokenFile !== undefined) refuse('--token-file', config.tokenFile, 'left out when --token is given');
  if (config.join !== undefined && config.token === undefined && config.tokenFile === undefined) {
    refuse('--join', config.join, `given with --token-file, ${envOf('token')} or --token`);
  }
  return Object.freeze(config);
}

export function configHelp(): string {
  const lines = keys.map((key) => `  ${flagOf(key).padEnd(22)} ${settings[key].about} (${settings[key].usualWords}; ${envOf(key)})`);
  return `usage: npm run agent -- [settings]

One device: joins a fleet once, then runs the models it is ordered to run on the frames of its camera.

${lines.join('\n')}
`;
}

const targetRows = [
  ['x64 with VNNI', 'x64', true],
  ['x64 without', 'x64', false],
  ['arm64 with dot products', 'arm64', true],
  ['arm64 without', 'arm64', false],
].map(([name, architecture, hasByteProducts]) => {
  const order = promising({ runtime: 'cpu', architecture: String(architecture), hasByteProducts: hasByteProducts === true });
  return `| ${name} | ${order.join(', ')} |`;
});

/** The page docs/agent.md, whole. */
export function configPage(): string {
  const rows = keys.map((key) => `| \`${flagOf(key)}\` | \`${envOf(key)}\` | ${settings[key].usualWords} | ${settings[key].about} | ${settings[key].rule} |`);
  return `# Settings of the agent

Flags come before the environment. An unknown or malformed setting stops the start with one line and exit code 2.
This page is made from the settings themselves; a test keeps the two equal.

| flag | environment | usual | what it does | rule |
| --- | --- | --- | --- | --- |
${rows.join('\n')}

A device joins once: \`npm run agent -- --join https://server:8443 --token-file FILE --name cam-1\`. Its key is made in the
data folder and never leaves it; afterwards \`npm run agent\` with the same \`--data\` is enough. A joined device ignores
\`--join\` until its certificate has expired.

## Which variant of a version runs

A version is one model in several variants: \`fp32\`, \`fp16\`, \`u8s8\`, \`u8u8\`, \`dyn8\`, \`w8\`, \`w4\`. When it is installed, the device fetches those
that promise most on its processor, loads each in the inference process, runs its golden vectors, and measures them turn about on the
golden inputs, up to thirty times and two seconds, while the version in service goes on answering. One that does not load, misses its
golden vectors or needs more memory than there is is out, and the report says why. The fastest is kept; where others are slower by no
more than 3 % or a tenth of a millisecond, by their median or by their lower quartile, the most exact of them, because nothing is given
up for noise. The rest is deleted.

What was measured is kept with the bundle and reported (\`serin device get\`, the console, \`/healthz\`), so neither a restart nor going
back to the version before measures again. A change of the settings about variants takes effect at the next install. They are tried in
this order:

| processor | tried |
| --- | --- |
${targetRows.join('\n')}

\`fp16\` runs on a processor only where a version has nothing else, or where \`--variant-preference\` names it.

| exit code | meaning |
| --- | --- |
| 0 | stopped as it was asked to |
| 1 | it could not start; the line on standard error has the code and what to do |
| 2 | a setting is unknown or malformed |
`;
}
