import path from 'node:path';
import type { Anomaly, Dataset, DatasetVersion, DatasetVersionDetail } from '@serin/protocol/api/datasets';
import { inputFilesMax } from '@serin/protocol/api/datasets';
import { SerinError } from '@serin/protocol/errors';
import { modelName } from '@serin/protocol/ids';
import { readValue, readWhole } from '../arguments.ts';
import { command, type Group, type Leaf, type Session } from '../command.ts';
import { exitCodes, UsageError, type ExitCode } from '../exit-codes.ts';
import { formatAge, formatBytes, printable, type Cell, type Column } from '../output.ts';
import { hashFiles, inputsOf, listFiles, sendFiles, type HashedFile } from '../send-files.ts';
import { readSpec, specArgs } from './data-spec.ts';
import { exitCodeOfFault, followJob, goesOn, waitArg, sayFault, timeoutArg } from './job-end.ts';

const nameRule = 'lower-case letters, digits, - and _, 63 at most';
export const datasetArg = (name: string) => readValue(modelName, name, 'NAME', nameRule);

const datasetColumns = (nowMs: number): Column<Dataset>[] => [
  { title: 'dataset', cell: ({ name }) => name },
  { title: 'kind', cell: ({ kind }) => kind },
  { title: 'latest', cell: ({ latest }) => latest ?? '-' },
  { title: 'rows', cell: ({ rows }) => rows },
  { title: 'size', cell: ({ bytes }) => formatBytes(bytes) },
  { title: 'versions', cell: ({ versions }) => versions },
  { title: 'quarantined', cell: ({ quarantined }) => (quarantined === 0 ? { text: '0', tone: 'quiet' } : { text: String(quarantined), tone: 'warn' }) },
  { title: 'sources', cell: ({ sources }) => sources },
  { title: 'made', cell: ({ createdAt }) => formatAge(createdAt, nowMs) },
];

function statusOf({ status }: DatasetVersion): Cell {
  if (status === 'READY') return { text: status, tone: 'good' };
  return { text: status, tone: status === 'QUARANTINED' ? 'bad' : 'quiet' };
}

const versionColumns = (nowMs: number): Column<DatasetVersion>[] => [
  { title: 'version', cell: ({ version }) => version },
  { title: 'status', cell: statusOf },
  { title: 'adds to', cell: ({ parent }) => (parent === null ? '-' : String(parent)) },
  { title: 'rows', cell: ({ rows }) => rows },
  { title: 'files', cell: ({ files }) => files },
  { title: 'size', cell: ({ bytes }) => formatBytes(bytes) },
  { title: 'errors', cell: ({ errors }) => errors },
  { title: 'warnings', cell: ({ warnings }) => warnings },
  { title: 'made', cell: ({ createdAt, createdBy, source }) => `${formatAge(createdAt, nowMs)} by ${source ?? createdBy}` },
  { title: 'note', cell: ({ note }) => note },
];

const splitsOf = ({ splits: { train, validation, test } }: DatasetVersion): string => `${train} to train, ${validation} to validate, ${test} to test`;

const versionFields = (version: DatasetVersion) =>
  [
    ['dataset', version.dataset],
    ['version', version.version],
    ['status', statusOf(version)],
    ['adds to', version.parent === null ? '-' : String(version.parent)],
    ['digest', version.digest],
    ['rows', version.rows],
    ['splits', splitsOf(version)],
    ['files', `${version.files}, ${formatBytes(version.bytes)}`],
    [
      'labels',
      version.labels
        .slice(0, 12)
        .map(({ label, count }) => `${label} ${count}`)
        .join(', ') || '-',
    ],
    ['found', `${version.errors} ${version.errors === 1 ? 'error' : 'errors'}, ${version.warnings} ${version.warnings === 1 ? 'warning' : 'warnings'}`],
    ['note', version.note || '-'],
    ['decision', version.decision === null ? '-' : `by ${version.decision.by}${version.decision.note === '' ? '' : `: ${version.decision.note}`}`],
  ] as const;

const placeOf = ({ file, rows }: Anomaly): string => (file === null ? '' : `${file}${rows.length === 0 ? '' : `:${rows.slice(0, 5).join(',')}`} `);
/** Words of what could not be read begin with the place already. */
function anomalyLine(anomaly: Anomaly): string {
  const { severity, kind, file, words } = anomaly;
  const place = file !== null && words.startsWith(file) ? '' : placeOf(anomaly);
  return printable(`  ${severity.padEnd(7)}  ${kind}  ${place}${words}`);
}

function sayAnomalies({ anomalies, anomaliesBeyond }: DatasetVersionDetail, { say }: Session): void {
  for (const anomaly of anomalies.slice(0, 40)) say(anomalyLine(anomaly));
  const more = anomalies.length - 40 + anomaliesBeyond;
  if (more > 0) say(`  and ${more} more`);
}

async function showVersion(session: Session, name: string, version: number): Promise<DatasetVersionDetail> {
  const { api, showOne, link } = session;
  const detail = await api('getDatasetVersion', { params: { name: datasetArg(name), version: String(version) } });
  showOne(detail, versionFields);
  sayAnomalies(detail, session);
  link(`/data/${name}/${version}`);
  return detail;
}

/** Files of this machine under the names they have on the server: their own, or below the folder that was given. */
async function collect(words: readonly string[], session: Session): Promise<HashedFile[]> {
  const files = [];
  for (const word of words) files.push(...(await listFiles(word, { name: path.basename(word), prefix: '' })));
  if (files.length > inputFilesMax) throw new UsageError(`${files.length} files; at most ${inputFilesMax} are one version`);
  const seen = new Map<string, string>();
  for (const { name, file } of files) {
    const other = seen.get(name);
    if (other !== undefined) throw new UsageError(`${other} and ${file} would both be ${name}; push the folder they lie in`);
    seen.set(name, file);
  }
  return hashFiles(files, session);
}

const pushCommand: Leaf = command(
  'Make a version of files: sent, checked, and quarantined when something is wrong',
  {
    name: { type: 'positional', required: true, description: 'the dataset' },
    files: { type: 'positional', required: true, valueHint: 'file or folder...', description: 'files, or folders with all below them' },
    ...specArgs,
    append: { type: 'boolean', description: 'add to the newest version instead of replacing it' },
    note: { type: 'string', valueHint: 'text', description: 'what is new' },
    ...waitArg,
    ...timeoutArg,
  },
  async (args, session): Promise<ExitCode> => {
    const { api, say, showOne, link } = session;
    const name = datasetArg(args.name);
    const timeoutMs = readWhole(args['timeout-s'], '--timeout-s', 1, 31_536_000) * 1000;
    const files = await collect(args._.slice(1), session);
    const body = {
      files: inputsOf(files),
      spec: readSpec(
        args,
        files.map(({ path: file }) => file),
      ),
      mode: args.append === true ? ('append' as const) : ('replace' as const),
      note: args.note ?? '',
    };
    let { missing, job } = await api('addDatasetVersion', { params: { name }, body });
    if (job === null) {
      await sendFiles(files, missing, session);
      ({ missing, job } = await api('addDatasetVersion', { params: { name }, body }));
    }
    if (job === null) throw new SerinError('CONFLICT', { detail: `${missing.length} files are not on the server although they were sent` });
    link(`/data/${name}`);
    if (!args.wait) {
      say(goesOn(job.id));
      showOne(job, ({ id, status }) => [
        ['job', id],
        ['status', status],
      ]);
      return exitCodes.ok;
    }
    const last = await followJob(session, job.id, timeoutMs);
    if (last === undefined) return exitCodes.timeout;
    sayFault(last.error, session);
    if (last.status !== 'SUCCEEDED') return exitCodeOfFault(last.error?.code);
    if (last.version === null) {
      say(printable(last.message));
      return exitCodes.ok;
    }
    const version = await showVersion(session, name, last.version);
    if (version.status !== 'QUARANTINED') return exitCodes.ok;
    say(`Use it all the same: serin data release ${name} ${version.version}; or not: serin data drop ${name} ${version.version}`);
    return exitCodes.conflict;
  },
);

const decide = (route: 'releaseDatasetVersion' | 'dropDatasetVersion', description: string): Leaf =>
  command(
    description,
    {
      name: { type: 'positional', required: true, description: 'the dataset' },
      version: { type: 'positional', required: true, description: 'the version in quarantine' },
      note: { type: 'string', valueHint: 'text', description: 'why; it is kept' },
    },
    async ({ name, version, note }, { api, showOne, link }) => {
      const params = { name: datasetArg(name), version: String(readWhole(version, 'VERSION', 1, 1_000_000_000)) };
      showOne(await api(route, { params, body: { note: note ?? '' } }), versionFields);
      link(`/data/${name}/${version}`);
    },
  );

export const dataGroup: Group = {
  description: 'datasets and their versions',
  commands: {
    ls: command('List datasets', {}, async (_, { api, world, showList, link }) => {
      const { items } = await api('listDatasets');
      showList(datasetColumns(world.nowMs()), items, 'No dataset yet. `serin data push NAME FILE...` makes one.');
      link('/data');
    }),
    versions: command(
      'List the versions of a dataset, newest first',
      {
        name: { type: 'positional', required: true, description: 'the dataset' },
        limit: { type: 'string', valueHint: 'number', default: '20', description: 'at most so many' },
      },
      async ({ name, limit }, { api, world, showList, link }) => {
        const query = { limit: String(readWhole(limit, '--limit', 1, 500)) };
        const { items } = await api('listDatasetVersions', { params: { name: datasetArg(name) }, query });
        showList(versionColumns(world.nowMs()), items, 'No version yet.');
        link(`/data/${name}`);
      },
    ),
    show: command(
      'Show a version with what was found in it, by default the newest',
      {
        name: { type: 'positional', required: true, description: 'the dataset' },
        version: { type: 'positional', required: false, description: 'its version' },
      },
      async ({ name, version }, session) => {
        const [newest] =
          version === undefined ? (await session.api('listDatasetVersions', { params: { name: datasetArg(name) }, query: { limit: '1' } })).items : [];
        if (version === undefined && newest === undefined) throw new SerinError('NOT_FOUND', { detail: `the dataset ${name} has no version` });
        await showVersion(session, name, newest?.version ?? readWhole(version ?? '', 'VERSION', 1, 1_000_000_000));
      },
    ),
    push: pushCommand,
    release: decide('releaseDatasetVersion', 'Use a quarantined batch all the same'),
    drop: decide('dropDatasetVersion', 'Drop a quarantined batch'),
  },
};
