import type { Environment, EnvironmentReport, Run, RunComparison, RunDetail, RunStage, Trial } from '@serin/protocol/api/runs';
import { modelName } from '@serin/protocol/ids';
import { readValue, readWhole } from '../arguments.ts';
import { command, type Group, type Session } from '../command.ts';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import { figure, formatAge, printable, type Cell, type Column, type Tone } from '../output.ts';
import { watch } from '../watch.ts';
import { exitCodeOfFault, goesOn, waitArg, sayFault, timeoutArg } from './job-end.ts';
import { htmlArg, sayChecks, showReport } from './report-summary.ts';

const tones: Partial<Record<Run['status'], Tone>> = { SUCCEEDED: 'good', FAILED: 'bad', CANCELLED: 'quiet' };
function statusOf({ status }: Run): Cell {
  const tone = tones[status];
  return { text: status, ...(tone === undefined ? {} : { tone }) };
}

const shortDigest = (digest: string | null): string => digest?.slice(0, 12) ?? '-';
const dataOf = ({ data }: Run): string => {
  if (data === null) return '-';
  return `${data.dataset === null ? shortDigest(data.digest) : `${data.dataset} ${data.version ?? '?'}`}, ${data.rows ?? 'no'} rows${data.rows === null ? ' counted' : ''}`;
};
const metricsOf = (metrics: Run['metrics']): string =>
  Object.entries(metrics)
    .map(([name, value]) => `${name} ${figure(value)}`)
    .join(', ') || '-';

const columns = (nowMs: number): Column<Run>[] => [
  { title: 'run', cell: ({ id }) => id },
  { title: 'model', cell: ({ model }) => model },
  { title: 'status', cell: statusOf },
  { title: 'version', cell: ({ version }) => (version === null ? '-' : String(version)) },
  { title: 'data', cell: dataOf },
  { title: 'metrics', cell: ({ metrics }) => metricsOf(Object.fromEntries(Object.entries(metrics).slice(0, 3))) },
  { title: 'made', cell: ({ createdAt, createdBy }) => `${formatAge(createdAt, nowMs)} by ${createdBy}` },
];

const verdictOf = ({ verdict, repeats }: Run): string => {
  if (repeats === null) return '-';
  if (verdict === null) return `repeats ${repeats}`;
  return verdict.identical ? `identical to ${repeats}` : `differs from ${repeats}: ${verdict.differences.slice(0, 12).join('; ')}`;
};

export const runFields = (run: Run) =>
  [
    ['run', run.id],
    ['model', run.model],
    ['status', statusOf(run)],
    ['version', run.version === null ? '-' : String(run.version)],
    ['data', dataOf(run)],
    ['seed', run.seed],
    ['code', `${shortDigest(run.code.revision)}, ${shortDigest(run.code.digest)}`],
    ['weights', shortDigest(run.weightDigest)],
    ['metrics', metricsOf(run.metrics)],
    ['baseline', run.baseline === null ? '-' : `${run.baseline.name}: ${metricsOf(run.baseline.metrics)}`],
    ['gate', run.gate === null ? '-' : ({ text: run.gate.passed ? 'passed' : 'failed', tone: run.gate.passed ? 'good' : 'bad' } as const)],
    ['verdict', verdictOf(run)],
    ['error', run.error === null ? '-' : `${run.error.code}: ${run.error.detail}`],
  ] as const;

export function stageLine({ name, state, ms, words }: RunStage): string {
  const seconds = ms === null || state === 'running' || state === 'waiting' ? '' : `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  return `  ${name.padEnd(9)} ${state.padEnd(7)} ${seconds.padStart(8)}  ${printable(words.split('\n')[0] ?? '')}`.trimEnd();
}

const trialLine = ({ id, state, rung, metric, parameters }: Trial): string =>
  `  ${id.padEnd(5)} ${state.padEnd(7)} rung ${rung}  ${figure(metric).padStart(8)}  ${Object.entries(parameters)
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(', ')}`;

/** Metrics against the baseline, the checks of the gate, and where the version is. */
export function sayOutcome(run: RunDetail, { say }: Pick<Session, 'say'>): void {
  const { metrics, baseline, intervals, gate } = run;
  const names = Object.keys(metrics);
  if (names.length > 0)
    say(`${'metric'.padEnd(18)} ${'value'.padStart(9)}  ${'interval'.padEnd(19)} baseline${baseline === null ? '' : ` (${baseline.name})`}`);
  for (const name of names) {
    const interval = intervals[name];
    const between = interval === undefined ? '' : `${figure(interval.low)} to ${figure(interval.high)}`;
    say(`${name.padEnd(18)} ${figure(metrics[name]).padStart(9)}  ${between.padEnd(19)} ${figure(baseline?.metrics[name])}`);
  }
  if (gate === null) return;
  say(`gate ${gate.passed ? 'passed' : 'failed'}`);
  sayChecks(gate, { say });
}

const settled = new Set<RunStage['state']>(['done', 'cached', 'failed']);
const isOver = ({ status }: Run): boolean => status !== 'RUNNING';

/** Follows a run stage by stage; undefined when the time is up. */
export async function followRun(session: Session, id: string, jobId: string, timeoutMs: number): Promise<RunDetail | undefined> {
  const { api, world, say } = session;
  const told = new Set<string>();
  let job = '';
  return watch(world, {
    ask: async () => {
      const run = await api('getRun', { params: { id } });
      const { message, stage, fraction } = await api('getJob', { params: { id: jobId } });
      job = isOver(run) || stage === '' || stage === 'start' ? '' : `  ${Math.round(fraction * 100)} % ${stage} ${message}`;
      return run;
    },
    isDone: isOver,
    marker: ({ status, stages }) => `${status} ${stages.map(({ name, state }) => `${name} ${state}`).join()} ${job}`,
    onChange({ stages }) {
      for (const stage of stages) {
        const key = `${stage.name} ${stage.state}`;
        if (!settled.has(stage.state) || told.has(key)) continue;
        told.add(key);
        say(stageLine(stage));
      }
      if (job !== '') say(printable(job));
    },
    timeoutMs,
    hint: goesOn(jobId),
  });
}

/** Where all of it is that a gate judged by. */
export const reportWords = (id: string): string => `The whole report: serin run report ${id} --html report.html`;

/** How a run ended, in words and as an exit code. */
export function endOf(run: RunDetail, session: Session): ExitCode {
  sayOutcome(run, session);
  // What failed at the gate stands above.
  if (run.error?.code === 'GATE_FAILED' && run.gate !== null) session.say(reportWords(run.id));
  else sayFault(run.error, session);
  session.showOne(run, runFields);
  session.link(`/runs/${run.id}`);
  if (run.status === 'SUCCEEDED') return run.verdict?.identical === false ? exitCodes.conflict : exitCodes.ok;
  return exitCodeOfFault(run.error?.code);
}

const comparisonFields = ({ left, right, sameWeights, differences, metrics }: RunComparison) =>
  [
    ['runs', `${left.id} and ${right.id}`],
    ['weights', sameWeights === null ? 'not known' : sameWeights ? 'the same' : 'different'],
    ...metrics.map(({ name, left: one, right: other, difference }): [string, string] => [name, `${figure(one)} and ${figure(other)} (${figure(difference)})`]),
    ...differences.map(({ what, left: one, right: other }): [string, string] => [what, `${one} and ${other}`]),
  ] as [string, string][];

const environmentWords = ({ product, node, ort, platform, arch, cpu, threads }: Environment): string =>
  `serin ${product}, node ${node}, ONNX Runtime ${ort}, ${platform} ${arch}, ${cpu}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`;

const environmentColumns: Column<EnvironmentReport['devices'][number]>[] = [
  { title: 'devices', cell: ({ count }) => count },
  { title: 'agent', cell: ({ agent }) => agent },
  { title: 'runtime', cell: ({ runtime }) => runtime },
  { title: 'system', cell: ({ os, arch }) => `${os} ${arch}` },
  { title: 'cpu', cell: ({ cpu }) => cpu },
  {
    title: 'what matters',
    cell: ({ differences }) => (differences.length === 0 ? { text: 'nothing', tone: 'good' } : { text: differences.join('; '), tone: 'warn' }),
  },
];

const id = { type: 'positional', required: true, description: 'the run' } as const;

export const runGroup: Group = {
  description: 'how versions came to be',
  commands: {
    ls: command(
      'List runs, newest first',
      {
        model: { type: 'string', valueHint: 'name', description: 'only of this model' },
        limit: { type: 'string', valueHint: 'number', default: '20', description: 'at most so many' },
      },
      async ({ model, limit }, { api, world, showList, link }) => {
        const query = {
          limit: String(readWhole(limit, '--limit', 1, 500)),
          ...(model === undefined ? {} : { model: readValue(modelName, model, '--model', 'the name of a model') }),
        };
        const { items } = await api('listRuns', { query });
        showList(columns(world.nowMs()), items, 'No run yet. `serin pipeline run` makes one.');
        link('/runs');
      },
    ),
    show: command('Show a run with its stages and trials', { id }, async (args, { api, showOne, say, link }) => {
      const run = await api('getRun', { params: { id: args.id } });
      showOne(run, runFields);
      for (const stage of run.stages) say(stageLine(stage));
      for (const trial of run.trials.slice(0, 100)) say(trialLine(trial));
      sayOutcome(run, { say });
      link(`/runs/${run.id}`);
    }),
    report: command(
      'What was measured before the gate judged, whether it passed or not, and what it had to reach',
      { id, ...htmlArg },
      async ({ id: run, html }, session) => {
        const params = { id: run };
        const report = await session.api('getRunReport', { params, query: {} });
        await showReport(report, html, () => session.page('getRunReport', { params, query: { format: 'html' } }), session);
        session.link(`/runs/${run}`);
      },
    ),
    compare: command(
      'In what two runs differ',
      { id, other: { type: 'positional', required: true, description: 'the other run' } },
      async (args, { api, showOne, link }) => {
        showOne(await api('compareRuns', { params: { id: args.id, other: args.other } }), comparisonFields);
        link(`/runs/${args.id}`);
      },
    ),
    rerun: command(
      'Do a run again, every stage of it, and say whether the same comes out',
      { id, ...waitArg, ...timeoutArg },
      async (args, session): Promise<ExitCode> => {
        const timeoutMs = readWhole(args['timeout-s'], '--timeout-s', 1, 31_536_000) * 1000;
        const { run, job } = await session.api('repeatRun', { params: { id: args.id } });
        if (!args.wait) {
          session.say(goesOn(job.id));
          session.showOne(run, runFields);
          return exitCodes.ok;
        }
        const last = await followRun(session, run.id, job.id, timeoutMs);
        return last === undefined ? exitCodes.timeout : endOf(last, session);
      },
    ),
    environment: command('Where a run ran, beside what the fleet runs', { id }, async (args, { api, showList, say, link }) => {
      const report = await api('getRunEnvironment', { params: { id: args.id } });
      say(environmentWords(report.environment));
      showList(environmentColumns, report.devices, 'No device has joined yet.');
      link(`/runs/${args.id}`);
    }),
  },
};
