import type { Job } from '@serin/protocol/api/resources';
import { readWhole } from '../arguments.ts';
import { command, type Group } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatAge, type Cell, type Column } from '../output.ts';
import { watch } from '../watch.ts';
import { goesOn, isFinished, jobLine } from './job-end.ts';

function statusOf({ status }: Job): Cell {
  if (status === 'SUCCEEDED') return { text: status, tone: 'good' };
  return status === 'FAILED' ? { text: status, tone: 'bad' } : { text: status };
}

const percent = ({ fraction }: Job): string => `${Math.round(fraction * 100)} %`;

const columns = (nowMs: number): Column<Job>[] => [
  { title: 'job', cell: ({ id }) => id },
  { title: 'kind', cell: ({ kind }) => kind },
  { title: 'model', cell: ({ model }) => model },
  { title: 'status', cell: statusOf },
  { title: 'done', cell: percent },
  { title: 'stage', cell: ({ stage }) => stage || '-' },
  { title: 'version', cell: ({ version }) => (version === null ? '-' : String(version)) },
  { title: 'made', cell: ({ createdAt, createdBy }) => `${formatAge(createdAt, nowMs)} by ${createdBy}` },
];

const fields = (job: Job) =>
  [
    ['job', job.id],
    ['kind', job.kind],
    ['model', job.model],
    ['status', statusOf(job)],
    ['message', job.message || '-'],
    ['version', job.version === null ? '-' : job.version],
    [
      'metrics',
      Object.entries(job.metrics)
        .map(([name, value]) => `${name} ${value.toPrecision(4)}`)
        .join(', ') || '-',
    ],
    ['error', job.error === null ? '-' : `${job.error.code}: ${job.error.detail}. ${job.error.hint}`],
  ] as const;

export const jobGroup: Group = {
  description: 'training and other long work',
  commands: {
    ls: command(
      'List jobs, newest first',
      { limit: { type: 'string', valueHint: 'number', default: '20', description: 'at most so many' } },
      async ({ limit }, { api, world, showList, link }) => {
        const { items } = await api('listJobs', { query: { limit: String(readWhole(limit, '--limit', 1, 200)) } });
        showList(columns(world.nowMs()), items, 'No job yet.');
        link('/models');
      },
    ),
    watch: command(
      'Wait for a job; the exit code says how it ended',
      {
        id: { type: 'positional', required: true, description: 'the job' },
        'timeout-s': { type: 'string', valueHint: 'seconds', default: '3600', description: 'give up watching after' },
      },
      async (args, { api, world, showOne, say, link }) => {
        const timeoutMs = readWhole(args['timeout-s'], '--timeout-s', 1, 31_536_000) * 1000;
        link('/models');
        const last = await watch(world, {
          ask: () => api('getJob', { params: { id: args.id } }),
          isDone: isFinished,
          marker: (job) => `${job.status} ${job.stage} ${percent(job)}`,
          onChange: (job) => say(jobLine(job)),
          timeoutMs,
          hint: goesOn(args.id),
        });
        if (last === undefined) return exitCodes.timeout;
        showOne(last, fields);
        return last.status === 'SUCCEEDED' ? exitCodes.ok : exitCodes.failure;
      },
    ),
    cancel: command(
      'Cancel a job: one that waits ends at once, one that runs in a moment',
      { id: { type: 'positional', required: true, description: 'the job' } },
      async (args, { api, say, showOne }) => {
        const job = await api('cancelJob', { params: { id: args.id } });
        if (!isFinished(job)) say('It was told to stop and does so in a moment; what it has finished is kept');
        showOne(job, fields);
      },
    ),
  },
};
