import type { ArgsDef, ParsedArgs } from 'citty';
import { createApiClient, createPageClient, type ApiClient, type PageClient } from '@serin/protocol/api/client';
import { SerinError } from '@serin/protocol/errors';
import { exitCodes, UsageError, type ExitCode } from './exit-codes.ts';
import { formatFields, formatTable, formats, type Cell, type Column, type Format } from './output.ts';
import { readProfile } from './profile.ts';
import type { World } from './world.ts';

/** Every command takes these. */
export const commonArgs = {
  output: { type: 'enum', alias: 'o', options: [...formats], default: 'table', description: 'table, json or ndjson' },
  url: { type: 'string', valueHint: 'address', description: 'the control plane, instead of SERIN_URL and of the one signed in to' },
  help: { type: 'boolean', alias: 'h', description: 'this text' },
} as const satisfies ArgsDef;

/** What a command works with. */
export interface Session {
  world: World;
  baseUrl: string;
  api: ApiClient;
  /** For what takes the server its time: a large file is checked before it answers. */
  patientApi: ApiClient;
  /** For routes that answer with a page when they are asked for one. */
  page: PageClient;
  /** Many things: a table, an array, or a line each. */
  showList<Item>(columns: readonly Column<Item>[], items: readonly Item[], whenEmpty: string): void;
  /** One thing: its fields, or the whole object. */
  showOne<Item>(item: Item, fields: (item: Item) => readonly (readonly [string, string | number | Cell])[]): void;
  /** To a person, beside the data. */
  say(text: string): void;
  /** Where the console shows it. */
  link(path: string): void;
}

export interface Leaf {
  description: string;
  args: ArgsDef;
  /** Runs without a server behind it: the token is the matter itself. */
  act(rawArgs: ParsedArgs<ArgsDef>, world: World, output: Format): Promise<ExitCode>;
}

export interface Group {
  description: string;
  commands: Record<string, Leaf>;
}

export function createOutput(world: World, format: Format): Pick<Session, 'showList' | 'showOne' | 'say'> {
  const hasColour = world.isTerminal && !world.env.NO_COLOR && world.env.TERM !== 'dumb';
  const line = (value: unknown) => world.out(`${JSON.stringify(value)}\n`);
  return {
    showList(columns, items, whenEmpty) {
      if (format === 'json') world.out(`${JSON.stringify(items, undefined, 2)}\n`);
      else if (format === 'ndjson') items.forEach(line);
      else if (items.length === 0) world.err(`${whenEmpty}\n`);
      else world.out(formatTable(columns, items, hasColour));
    },
    showOne(item, fields) {
      if (format === 'json') world.out(`${JSON.stringify(item, undefined, 2)}\n`);
      else if (format === 'ndjson') line(item);
      else world.out(formatFields(fields(item), hasColour));
    },
    say: (text) => world.err(`${text}\n`),
  };
}

/** An address as people type it, without its trailing slash. */
export function readUrl(text: string, what: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) throw new UsageError(`${what} is an http or https address, not "${text}"`);
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}

const patientMs = 600_000;

async function openSession(world: World, format: Format, urlFlag: string | undefined): Promise<Session> {
  const stored = world.env.SERIN_TOKEN && (urlFlag ?? world.env.SERIN_URL) ? undefined : await readProfile(world.env);
  const chosen = urlFlag ?? world.env.SERIN_URL;
  const baseUrl = chosen === undefined || chosen === '' ? stored?.url : readUrl(chosen, urlFlag === undefined ? 'SERIN_URL' : '--url');
  if (baseUrl === undefined) throw new SerinError('NOT_SIGNED_IN', { hint: 'Run `serin login --url <address>`, or set SERIN_URL and SERIN_TOKEN' });
  // The stored token belongs to the stored server and is never sent to another one.
  const token = world.env.SERIN_TOKEN || (stored?.url === baseUrl ? stored.token : undefined);
  if (token === undefined) throw new SerinError('NOT_SIGNED_IN', { hint: `Run \`serin login --url ${baseUrl}\`, or set SERIN_TOKEN` });
  return {
    world,
    baseUrl,
    api: createApiClient({ baseUrl, fetch: world.fetch, token }),
    patientApi: createApiClient({ baseUrl, fetch: world.fetch, token, timeoutMs: patientMs }),
    page: createPageClient({ baseUrl, fetch: world.fetch, token }),
    ...createOutput(world, format),
    link: (path) => world.err(`Console: ${baseUrl}${path}\n`),
  };
}

/** A command that speaks to the server. */
export function command<const Args extends ArgsDef>(
  description: string,
  args: Args,
  act: (args: ParsedArgs<Args>, session: Session) => Promise<ExitCode | void>,
): Leaf {
  return {
    description,
    args: { ...args, ...commonArgs },
    act: async (parsed, world, output) => {
      const url = parsed.url;
      const session = await openSession(world, output, typeof url === 'string' ? url : undefined);
      return (await act(parsed as unknown as ParsedArgs<Args>, session)) ?? exitCodes.ok;
    },
  };
}

/** A command that needs no server. */
export function localCommand<const Args extends ArgsDef>(
  description: string,
  args: Args,
  act: (args: ParsedArgs<Args>, session: Pick<Session, 'world' | 'showList' | 'showOne' | 'say'>) => Promise<ExitCode | void>,
): Leaf {
  return {
    description,
    args: { ...args, output: commonArgs.output, help: commonArgs.help },
    act: async (parsed, world, output) => (await act(parsed as unknown as ParsedArgs<Args>, { world, ...createOutput(world, output) })) ?? exitCodes.ok,
  };
}
