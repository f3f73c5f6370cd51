import { sourceSettings, type Source, type SourceSettings } from '@serin/protocol/api/datasets';
import { modelName } from '@serin/protocol/ids';
import { readValue, readWhole } from '../arguments.ts';
import { command, type Group } from '../command.ts';
import { exitCodes, UsageError, type ExitCode } from '../exit-codes.ts';
import { formatAge, type Cell, type Column } from '../output.ts';
import { readSpec, specArgs } from './data-spec.ts';
import { exitCodeOfFault, followJob, goesOn, waitArg, sayFault, timeoutArg } from './job-end.ts';

const sourceName = (name: string) => readValue(modelName, name, 'NAME', 'lower-case letters, digits, - and _, 63 at most');

function lastOf({ last }: Source): Cell {
  if (last === null) return { text: 'not read yet', tone: 'quiet' };
  return { text: last.words, tone: last.ok ? 'good' : 'bad' };
}

function placeOf(settings: SourceSettings): string {
  if (settings.kind === 'folder') return settings.path;
  if (settings.kind === 'url') return settings.url;
  return settings.kind === 's3' ? `${settings.bucket}/${settings.prefix}` : settings.query;
}

const columns = (nowMs: number): Column<Source>[] => [
  { title: 'source', cell: ({ name }) => name },
  { title: 'dataset', cell: ({ dataset }) => dataset },
  { title: 'kind', cell: ({ settings }) => settings.kind },
  { title: 'mode', cell: ({ mode }) => mode },
  { title: 'schedule', cell: ({ schedule, enabled }) => (enabled ? (schedule ?? 'when asked') : { text: 'disabled', tone: 'quiet' }) },
  { title: 'read', cell: ({ lastReadAt }) => formatAge(lastReadAt, nowMs) },
  { title: 'last', cell: lastOf },
];

const fields = (nowMs: number) => (source: Source) =>
  [
    ['source', source.name],
    ['dataset', source.dataset],
    ['reads', `${source.settings.kind} ${placeOf(source.settings)}`],
    ['mode', source.mode],
    ['schedule', source.enabled ? (source.schedule ?? 'when asked') : 'disabled'],
    ['next', source.nextReadAt === null ? '-' : new Date(source.nextReadAt).toISOString()],
    ['read', formatAge(source.lastReadAt, nowMs)],
    ['last', lastOf(source)],
  ] as const;

interface PlaceFlags {
  folder?: string | undefined;
  pattern?: string | undefined;
  address?: string | undefined;
  'header-secret'?: string | undefined;
  s3?: string | undefined;
  bucket?: string | undefined;
  prefix?: string | undefined;
  region?: string | undefined;
  'key-id-secret'?: string | undefined;
  'key-secret'?: string | undefined;
  sql?: string | undefined;
  'url-secret'?: string | undefined;
  cursor?: string | undefined;
}

function readSettings(flags: PlaceFlags): SourceSettings {
  const places = (['folder', 'address', 's3', 'sql'] as const).filter((kind) => flags[kind] !== undefined);
  const [kind] = places;
  if (kind === undefined || places.length > 1) throw new UsageError('a source is one of --folder, --address, --s3 and --sql');
  const given = {
    folder: { kind, path: flags.folder, pattern: flags.pattern },
    address: { kind: 'url', url: flags.address, headerSecret: flags['header-secret'] },
    s3: {
      kind,
      endpoint: flags.s3,
      bucket: flags.bucket,
      prefix: flags.prefix,
      region: flags.region,
      keyIdSecret: flags['key-id-secret'],
      keySecret: flags['key-secret'],
    },
    sql: { kind, query: flags.sql, urlSecret: flags['url-secret'], cursorColumn: flags.cursor },
  }[kind];
  const parsed = sourceSettings.safeParse(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)));
  if (!parsed.success) throw new UsageError(parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '));
  return parsed.data;
}

/** What a read of an address or of a query without a cursor brings is the whole: on top of the one before all of it would be there twice. */
const usualMode = (settings: SourceSettings): Source['mode'] =>
  settings.kind === 'url' || (settings.kind === 'sql' && settings.cursorColumn === undefined) ? 'replace' : 'append';

export const sourceGroup: Group = {
  description: 'where data comes from by itself',
  commands: {
    ls: command('List sources', {}, async (_, { api, world, showList, link }) => {
      const { items } = await api('listSources');
      showList(columns(world.nowMs()), items, 'No source yet. `serin source set NAME --dataset DATASET --folder PATH` declares one.');
      link('/data');
    }),
    set: command(
      'Declare a source, or change the one of that name',
      {
        name: { type: 'positional', required: true, description: 'the source' },
        dataset: { type: 'string', valueHint: 'name', required: true, description: 'the dataset it makes versions of' },
        folder: { type: 'string', valueHint: 'path', description: 'files below a folder of the server' },
        pattern: { type: 'string', valueHint: '*.csv', description: 'of a folder: only files that match' },
        address: { type: 'string', valueHint: 'https://...', description: 'one file behind an address' },
        'header-secret': { type: 'string', valueHint: 'SERIN_SOURCE_...', description: 'of an address: variable of the server with the Authorization header' },
        s3: { type: 'string', valueHint: 'endpoint', description: 'objects of a bucket' },
        bucket: { type: 'string', valueHint: 'name', description: 'of S3' },
        prefix: { type: 'string', valueHint: 'text', description: 'of S3: only objects whose names begin so' },
        region: { type: 'string', valueHint: 'name', description: 'of S3' },
        'key-id-secret': { type: 'string', valueHint: 'SERIN_SOURCE_...', description: 'of S3: variable of the server with the id of the key' },
        'key-secret': { type: 'string', valueHint: 'SERIN_SOURCE_...', description: 'of S3: variable of the server with the key' },
        sql: { type: 'string', valueHint: 'query', description: 'rows of PostgreSQL; $1 is the largest value of the cursor read before' },
        'url-secret': { type: 'string', valueHint: 'SERIN_SOURCE_...', description: 'of SQL: variable of the server with the address of the database' },
        cursor: { type: 'string', valueHint: 'column', description: 'of SQL: the column that grows' },
        ...specArgs,
        mode: {
          type: 'enum',
          options: ['append', 'replace'] as string[],
          description: 'whether a read adds to the newest version; when left out: replace where each read is the whole (an address, a query without a cursor)',
        },
        schedule: { type: 'string', valueHint: '"15 3 * * *"', description: 'when it is read, in UTC; only when asked when left out' },
        disabled: { type: 'boolean', description: 'do not read it on its schedule' },
      },
      async (args, { api, world, showOne, link }) => {
        const settings = readSettings(args);
        const source = await api('setSource', {
          body: {
            name: sourceName(args.name),
            dataset: readValue(modelName, args.dataset, '--dataset', 'the name of a dataset'),
            settings,
            spec: readSpec(args),
            mode: args.mode === undefined ? usualMode(settings) : (args.mode as Source['mode']),
            schedule: args.schedule ?? null,
            enabled: args.disabled !== true,
          },
        });
        showOne(source, fields(world.nowMs()));
        link('/data');
      },
    ),
    read: command(
      'Read a source now',
      {
        name: { type: 'positional', required: true, description: 'the source' },
        accept: { type: 'boolean', description: 'also where it shrank or has nothing: that is as it should be' },
        ...waitArg,
        ...timeoutArg,
      },
      async (args, session): Promise<ExitCode> => {
        const { api, world, say, showOne } = session;
        const name = sourceName(args.name);
        const timeoutMs = readWhole(args['timeout-s'], '--timeout-s', 1, 31_536_000) * 1000;
        const job = await api('readSource', { params: { name }, query: args.accept === true ? { accept: 'true' } : {} });
        if (!args.wait) {
          say(goesOn(job.id));
          return exitCodes.ok;
        }
        const last = await followJob(session, job.id, timeoutMs);
        if (last === undefined) return exitCodes.timeout;
        sayFault(last.error, session);
        const source = (await api('listSources')).items.find((item) => item.name === name);
        if (source !== undefined) showOne(source, fields(world.nowMs()));
        if (last.status !== 'SUCCEEDED') return exitCodeOfFault(last.error?.code);
        if (source?.last?.ok !== false) return exitCodes.ok;
        const { dataset, last: read } = source;
        if (read.version !== null) {
          say(`What is wrong with it: serin data show ${dataset} ${read.version}`);
          say(`Use it all the same: serin data release ${dataset} ${read.version}; or not: serin data drop ${dataset} ${read.version}`);
        }
        return exitCodes.conflict;
      },
    ),
    rm: command(
      'Forget a source; what it brought stays',
      { name: { type: 'positional', required: true, description: 'the source' }, yes: { type: 'boolean', alias: 'y', description: 'do not ask' } },
      async ({ name, yes }, { api, world, say }) => {
        if (yes !== true && !(await world.confirm(`Forget the source ${name}?`))) throw new UsageError('not confirmed; --yes goes without asking');
        await api('removeSource', { params: { name: sourceName(name) } });
        say(`${name} is forgotten.`);
      },
    ),
  },
};
