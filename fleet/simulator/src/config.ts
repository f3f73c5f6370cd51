import { parseArgs } from 'node:util';
import { z } from 'zod/mini';
import { SerinError } from '@serin/protocol/errors';
import { deviceId, type DeviceId } from '@serin/protocol/ids';
import { logLevels } from '@serin/edge-agent/log';

/** Each schema's message is the rule, as a person reads it after "it must be". */
const ruled = <Schema extends z.ZodMiniType>(rule: string, schema: Schema) => z.string().check(z.refine((value) => schema.safeParse(value).success, rule));
const numberIn = (least: number, most: number, pattern: RegExp, what: string) =>
  z.pipe(
    ruled(
      `${what} from ${least} to ${most}`,
      z.pipe(z.string().check(z.regex(pattern)), z.pipe(z.transform(Number), z.number().check(z.gte(least), z.lte(most)))),
    ),
    z.transform(Number),
  );
const wholeNumber = (least: number, most: number) => numberIn(least, most, /^\d{1,6}$/, 'a whole number');
const decimal = (least: number, most: number) => numberIn(least, most, /^\d{1,6}(\.\d{1,9})?$/, 'a number');
const text = (most: number) => ruled(`1 to ${most} characters`, z.string().check(z.minLength(1), z.maxLength(most)));
const filePath = ruled('a path', z.string().check(z.minLength(1), z.maxLength(4096)));

const settings = z.object({
  devices: z._default(wholeNumber(1, 1000), 12),
  join: z.optional(z.url({ protocol: /^https$/, error: 'an address like https://server:8443' })),
  'tokens-file': z.optional(filePath),
  prefix: z._default(
    z.string().check(z.regex(/^[a-z0-9][a-z0-9_-]{0,40}$/, 'lower-case letters, digits, - and _, beginning with a letter or digit, at most 41')),
    'sim-',
  ),
  site: z._default(text(64), 'simulated'),
  fps: z._default(decimal(0.01, 60), 2),
  scene: z.optional(filePath),
  data: filePath,
  seed: z._default(wholeNumber(0, 999_999), 1),
  'log-level': z._default(z.enum(logLevels, `one of ${logLevels.join(', ')}`), 'info'),
});
export type SimulatorConfig = z.infer<typeof settings>;

export const usage = `usage: node fleet/simulator/dist/main.js --data DIR [--devices N] [--join URL --tokens-file FILE] [options]

Virtual devices on the real protocol, many in one process: real certificates, real mTLS, real transfers and signatures, a rendered camera each.
  --data DIR          where keys and certificates are kept; a restart needs no new tokens
  --devices N         how many (default 12)
  --join URL          https address that devices join at; needed for devices that have no certificate yet
  --tokens-file FILE  join tokens, one a line; devices without a certificate take them in order
  --prefix TEXT       names are prefix and number (default sim-)
  --site TEXT         where they say they are (default simulated)
  --fps N             frames per second of each camera (default 2)
  --scene FILE        JSON {"level", "warmth"}: the light, read again when it changes
  --seed N            what the cameras render follows from this and the name (default 1)
  --log-level LEVEL   ${logLevels.join(', ')} (default info)`;

function refuse(name: string, value: string, rule: string): never {
  throw new SerinError('CONFIG_INVALID', { detail: `${name} is "${value}"; it must be ${rule}` });
}

function readFlags(args: readonly string[]): Record<string, string> | 'help' {
  const options = Object.fromEntries(Object.keys(settings.shape).map((name) => [name, { type: 'string' as const }]));
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true, allowPositionals: true });
  const values: Record<string, string> = {};
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional') refuse('argument', token.value, 'a flag; see --help');
    if (token.rawName === '--help' || token.rawName === '-h') return 'help';
    if (!Object.hasOwn(options, token.name) || token.rawName !== `--${token.name}`) refuse(token.rawName, token.value ?? '', 'a known flag; see --help');
    if (token.value === undefined) refuse(token.rawName, '', 'given a value');
    values[token.name] = token.value;
  }
  return values;
}

/** One line for the first wrong setting: its name, its value, the rule. */
export function readConfig(args: readonly string[]): SimulatorConfig | 'help' {
  const values = readFlags(args);
  if (values === 'help') return 'help';
  const parsed = settings.safeParse(values);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const name = String(issue?.path[0]);
  if (values[name] === undefined) throw new SerinError('CONFIG_INVALID', { detail: `--${name} is missing; it must be a path` });
  return refuse(`--${name}`, values[name], issue?.message ?? 'well-formed');
}

export const deviceName = (prefix: string, index: number): DeviceId => deviceId.parse(`${prefix}${index + 1}`);
