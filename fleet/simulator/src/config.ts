import { parseArgs } from 'node:util';
import { z } from 'zod/mini';
import { SerinError } from '@serin/protocol/errors';
import { deviceId, type DeviceId } from '@serin/protocol/ids';
import { logLevels } from '@serin/edge-agent/log';

const wholeNumber = (least: number, most: number) =>
  z.pipe(z.string().check(z.regex(/^\d{1,6}$/, 'a whole number')), z.pipe(z.transform(Number), z.int().check(z.gte(least), z.lte(most))));
const decimal = (least: number, most: number) =>
  z.pipe(z.string().check(z.regex(/^\d+(\.\d+)?$/, 'a number')), z.pipe(z.transform(Number), z.number().check(z.gte(least), z.lte(most))));
const text = z.string().check(z.minLength(1), z.maxLength(4096));

const settings = z.object({
  devices: z._default(wholeNumber(1, 1000), 12),
  join: z.optional(z.url({ protocol: /^https$/, error: 'an https:// address' })),
  'tokens-file': z.optional(text),
  prefix: z._default(z.string().check(z.regex(/^[a-z0-9][a-z0-9_-]{0,40}$/, 'a device name prefix: lower-case letters, digits, - and _')), 'sim-'),
  site: z._default(z.string().check(z.minLength(1), z.maxLength(64)), 'simulated'),
  fps: z._default(decimal(0.01, 60), 2),
  scene: z.optional(text),
  data: text,
  seed: z._default(wholeNumber(0, 999_999), 1),
  'log-level': z._default(z.enum(logLevels), 'info'),
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

/** One line for the first wrong setting: its name, its value, the rule. */
export function readConfig(args: readonly string[]): SimulatorConfig | 'help' {
  let values: Record<string, string | boolean | undefined>;
  try {
    const options = Object.fromEntries(Object.keys(settings.shape).map((name) => [name, { type: 'string' as const }]));
    ({ values } = parseArgs({ args: [...args], options: { ...options, help: { type: 'boolean', short: 'h' } }, allowPositionals: false }));
  } catch (cause) {
    throw new SerinError('CONFIG_INVALID', { detail: (cause as Error).message, cause });
  }
  if (values.help === true) return 'help';
  const parsed = settings.safeParse(values);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const name = String(issue?.path[0]);
    const value = values[name];
    throw new SerinError('CONFIG_INVALID', { detail: value === undefined ? `--${name} is missing` : `--${name} is "${String(value)}": ${issue?.message}` });
  }
  return parsed.data;
}

export const deviceName = (prefix: string, index: number): DeviceId => deviceId.parse(`${prefix}${index + 1}`);
