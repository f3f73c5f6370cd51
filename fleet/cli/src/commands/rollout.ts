import type { Rollout, RolloutStatus } from '@serin/protocol/api/resources';
import { SerinError } from '@serin/protocol/errors';
import { modelName } from '@serin/protocol/ids';
import { readValue, readWhole } from '../arguments.ts';
import { command, type Group, type Leaf, type Session } from '../command.ts';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import { formatAge, formatShare, type Cell, type Column, type Tone } from '../output.ts';
import { watch } from '../watch.ts';

/** What a finished rollout means for a script; the others are under way. */
const outcomes: Partial<Record<RolloutStatus, ExitCode>> = {
  COMPLETED: exitCodes.ok,
  ROLLED_BACK: exitCodes.rolledBack,
  ROLLBACK_INCOMPLETE: exitCodes.rolledBack,
  SUPERSEDED: exitCodes.conflict,
};

const tones: Partial<Record<RolloutStatus, Tone>> = {
  COMPLETED: 'good',
  ROLLED_BACK: 'bad',
  ROLLING_BACK: 'bad',
  ROLLBACK_INCOMPLETE: 'bad',
  PAUSED: 'warn',
  SUPERSEDED: 'quiet',
};

function statusOf({ status }: Rollout): Cell {
  const tone = tones[status];
  return { text: status, ...(tone === undefined ? {} : { tone }) };
}

const columns = (nowMs: number): Column<Rollout>[] => [
  { title: 'rollout', cell: ({ id }) => id },
  { title: 'model', cell: ({ model }) => model },
  { title: 'version', cell: ({ version, previous }) => `${previous ?? '-'} -> ${version}` },
  { title: 'status', cell: statusOf },
  { title: 'stage', cell: ({ stageIndex, stages }) => `${Math.min(stageIndex + 1, stages.length)} of ${stages.length}` },
  { title: 'changed', cell: ({ updatedAt }) => formatAge(updatedAt, nowMs) },
  { title: 'what', cell: ({ words }) => words },
];

function verdictOf({ verdict }: Rollout): string {
  if (verdict === null) return '-';
  return `${verdict.words} (bad frames: canary ${formatShare(verdict.canaryBad)} of ${verdict.canaryFrames}, control ${formatShare(verdict.controlBad)} of ${verdict.controlFrames})`;
}

const fields = (rollout: Rollout) =>
  [
    ['rollout', rollout.id],
    ['model', rollout.model],
    ['version', `${rollout.previous ?? '-'} -> ${rollout.version}`],
    ['status', statusOf(rollout)],
    ['what', rollout.words],
    ['reason', rollout.reason ?? '-'],
    ['stages', rollout.stages.map(({ label, devices, state }) => `${label}: ${devices} ${state}`).join(', ')],
    ['verdict', verdictOf(rollout)],
    ['devices', rollout.members.map(({ device, outcome, code }) => `${device} ${outcome}${code === null ? '' : ` (${code})`}`).join(', ') || '-'],
  ] as const;

const watchArgs = {
  watch: { type: 'boolean', alias: 'w', description: 'wait for the end; the exit code says how it ended' },
  'timeout-s': { type: 'string', valueHint: 'seconds', default: '3600', description: 'give up watching after' },
} as const;

async function follow({ api, world, showOne, say, link }: Session, id: string, seconds: string): Promise<ExitCode> {
  const timeoutMs = readWhole(seconds, '--timeout-s', 1, 31_536_000) * 1000;
  link(`/rollouts/${id}`);
  const last = await watch(world, {
    ask: () => api('getRollout', { params: { id } }),
    isDone: ({ status }) => outcomes[status] !== undefined,
    marker: ({ status, stageIndex, words }) => `${status} ${stageIndex} ${words}`,
    onChange: ({ status, words }) => say(`${new Date(world.nowMs()).toISOString().slice(11, 19)} ${status}: ${words}`),
    timeoutMs,
  });
  if (last === undefined) {
    say(`Still under way after ${seconds} s; it goes on by itself.`);
    return exitCodes.timeout;
  }
  showOne(last, fields);
  return outcomes[last.status] ?? exitCodes.failure;
}

async function newest({ api }: Session): Promise<string> {
  const { items } = await api('listRollouts', { query: { limit: '1' } });
  const [first] = items;
  if (first === undefined) throw new SerinError('NOT_FOUND', { detail: 'no rollout yet', hint: 'Start one with `serin rollout start MODEL VERSION`' });
  return first.id;
}

const id = { type: 'positional', required: true, description: 'the rollout' } as const;

function act(name: 'pauseRollout' | 'resumeRollout' | 'abortRollout', description: string): Leaf {
  return command(description, { id }, async (args, { api, showOne, link }) => {
    const rollout = await api(name, { params: { id: args.id } });
    showOne(rollout, fields);
    link(`/rollouts/${rollout.id}`);
  });
}

export const rolloutGroup: Group = {
  description: 'versions on their way to devices',
  commands: {
    ls: command(
      'List rollouts, newest first',
      {
        model: { type: 'string', valueHint: 'name', description: 'only of this model' },
        limit: { type: 'string', valueHint: 'number', default: '20', description: 'at most so many' },
      },
      async ({ model, limit }, { api, world, showList, link }) => {
        const query = {
          limit: String(readWhole(limit, '--limit', 1, 200)),
          ...(model === undefined ? {} : { model: readValue(modelName, model, '--model', 'the name of a model') }),
        };
        const { items } = await api('listRollouts', { query });
        showList(columns(world.nowMs()), items, 'No rollout yet. `serin rollout start MODEL VERSION` starts one.');
        link('/rollouts');
      },
    ),
    start: command(
      'Roll a version out: one device first, the rest when its windows are good',
      {
        model: { type: 'positional', required: true, description: 'the model' },
        version: { type: 'positional', required: true, description: 'its version' },
        'all-at-once': { type: 'boolean', description: 'every device at once, without a canary' },
        ...watchArgs,
      },
      async (args, session) => {
        const { api, showOne, link } = session;
        const rollout = await api('startRollout', {
          body: {
            model: readValue(modelName, args.model, 'MODEL', 'the name of a model'),
            version: readWhole(args.version, 'VERSION', 1, 1_000_000_000),
            strategy: args['all-at-once'] === true ? 'all-at-once' : 'canary',
          },
        });
        if (args.watch === true) return follow(session, rollout.id, args['timeout-s']);
        showOne(rollout, fields);
        link(`/rollouts/${rollout.id}`);
        return exitCodes.ok;
      },
    ),
    status: command('Show a rollout, by default the newest', { id: { ...id, required: false }, ...watchArgs }, async (args, session) => {
      const { api, showOne, link } = session;
      const target = args.id ?? (await newest(session));
      if (args.watch === true) return follow(session, target, args['timeout-s']);
      const rollout = await api('getRollout', { params: { id: target } });
      showOne(rollout, fields);
      link(`/rollouts/${rollout.id}`);
      return exitCodes.ok;
    }),
    pause: act('pauseRollout', 'Hold a rollout where it is'),
    resume: act('resumeRollout', 'Go on with a held rollout'),
    abort: act('abortRollout', 'Stop a rollout and go back'),
  },
};
