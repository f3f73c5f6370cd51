import type { ColumnSummary, Dataset, DatasetVersionDetail, Source } from '@serin/protocol/api/datasets';
import type { Job, Overview, Session } from '@serin/protocol/api/resources';
import type { Environment, EnvironmentReport, Pipeline, Run, RunDetail } from '@serin/protocol/api/runs';
import { digest, modelName } from '@serin/protocol/ids';
import { pipelineFile, stageNames } from '@serin/protocol/pipeline';
import { SerinError } from '@serin/protocol/errors';
import type { ConsoleAnswers } from './console-origin.ts';

/** A made-up place with data, runs and pipelines in every state that the console draws. All of it is synthetic. */
const churn = modelName.parse('churn');
const spam = modelName.parse('spam');
const parts = modelName.parse('parts');
const hash = (letter: string) => digest.parse(letter.repeat(64));
const minute = 60_000;
const hour = 60 * minute;

export const session = (role: Session['role']): Session => ({ name: `${role}-person`, role, fleet: 'plant-1', demo: false, product: '0.1.0' });

export const overview = (now: number): Overview => ({
  at: now,
  devices: { total: 0, online: 0, synthetic: 0 },
  inferencesPerS: 0,
  windowsPerMinute: 0,
  openAlerts: 0,
  activeRollouts: 0,
  runningJobs: 1,
  attention: [
    { kind: 'dataset', id: 'churn/4', words: 'churn version 4 is in quarantine: 2 errors', since: now - 12 * minute },
    { kind: 'source', id: 'billing', words: 'the source billing has failed', since: now - 2 * hour },
  ],
});

/** A bell over `bins` bins with its middle at `at`, 0 to 1. */
const bell = (bins: number, at: number, wide: number, rows: number): number[] => {
  const heights = Array.from({ length: bins }, (_, bin) => Math.exp(-0.5 * ((bin / bins - at) / wide) ** 2));
  const sum = heights.reduce((total, height) => total + height, 0);
  return heights.map((height) => Math.round((height / sum) * rows));
};

function numeric(name: string, from: number, to: number, part: Partial<ColumnSummary> = {}, at = 0.4): ColumnSummary {
  const bins = 32;
  const step = (to - from) / bins;
  const value = (share: number): number => from + (to - from) * share;
  return {
    name,
    type: 'number',
    role: 'feature',
    count: 7043,
    missing: 0,
    distinct: 1584,
    numbers: {
      min: from,
      max: to,
      mean: value(at + 0.03),
      deviation: (to - from) * 0.18,
      quantiles: [0.04, 0.12, at - 0.12, at, at + 0.14, 0.85, 0.96].map(value),
      edges: Array.from({ length: bins + 1 }, (_, bin) => from + bin * step),
      counts: bell(bins, at, 0.18, 7043),
    },
    top: [],
    lengths: null,
    association: 0.31,
    ...part,
  };
}

function category(name: string, top: [string, number][], part: Partial<ColumnSummary> = {}): ColumnSummary {
  return {
    name,
    type: 'category',
    role: 'feature',
    count: 7043,
    missing: 0,
    distinct: top.length,
    numbers: null,
    top: top.map(([value, count]) => ({ value, count })),
    lengths: null,
    association: 0.12,
    ...part,
  };
}

const columns = (mean: number): ColumnSummary[] => [
  category('customer', [], { type: 'text', role: 'id', distinct: 7043, lengths: { min: 10, mean: 10, max: 10 }, association: null }),
  numeric('tenure_months', 0, 72, { type: 'integer', distinct: 73, association: 0.42 }),
  numeric('monthly_charges', 18, 119, {}, mean),
  numeric('total_charges', 0, 8700, { missing: 1611, association: 0.28 }, 0.2),
  category('contract', [
    ['month to month', 3875],
    ['two years', 1695],
    ['one year', 1473],
  ]),
  category('payment', [
    ['electronic check', 2365],
    ['mailed check', 1612],
    ['bank transfer', 1544],
    ['credit card', 1522],
  ]),
  category(
    'cancel_reason',
    [
      ['', 5174],
      ['moved', 801],
      ['price', 634],
      ['service', 434],
    ],
    { association: 0.998 },
  ),
  category(
    'churned',
    [
      ['no', 5174],
      ['yes', 1869],
    ],
    { type: 'boolean', role: 'label', association: null },
  ),
];

function makeVersion(version: number, now: number, part: Partial<DatasetVersionDetail> = {}): DatasetVersionDetail {
  const rows = 4200 + version * 700;
  return {
    dataset: churn,
    version,
    kind: 'table',
    spec: { kind: 'table', label: 'churned', id: 'customer' },
    digest: hash(String(version)),
    status: 'READY',
    parent: version === 1 ? null : version === 3 ? 1 : version - 1,
    createdAt: now - (10 - version) * 24 * hour,
    createdBy: 'mara',
    source: version === 1 ? null : 'billing',
    note: version === 1 ? 'export of the first half of the year' : '',
    files: version,
    bytes: rows * 137,
    rows,
    splits: { train: Math.round(rows * 0.7), validation: Math.round(rows * 0.15), test: rows - Math.round(rows * 0.7) - Math.round(rows * 0.15) },
    labels: [
      { label: 'no', count: Math.round(rows * 0.735) },
      { label: 'yes', count: rows - Math.round(rows * 0.735) },
    ],
    errors: 0,
    warnings: 0,
    decision: null,
    anomalies: [],
    anomaliesBeyond: 0,
    columns: columns(0.4).filter(({ name }) => name !== 'cancel_reason'),
    ...part,
  };
}

export const makeVersions = (now: number): DatasetVersionDetail[] => [
  makeVersion(4, now, {
    status: 'QUARANTINED',
    rows: 700,
    bytes: 96_000,
    files: 1,
    splits: { train: 490, validation: 105, test: 105 },
    createdAt: now - 12 * minute,
    columns: columns(0.62),
    errors: 2,
    warnings: 2,
    anomalies: [
      {
        kind: 'missing-more',
        severity: 'warning',
        column: 'total_charges',
        file: 'billing-2026-11.csv',
        rows: [14, 15, 93],
        count: 1611,
        words: 'total_charges is missing in 22.9% of the records, 0.2% in version 3; the limit is 10 points',
      },
      {
        kind: 'label-leak',
        severity: 'error',
        column: 'cancel_reason',
        file: null,
        rows: [],
        count: 0,
        words: 'cancel_reason tells the label almost alone (0.998 of 1; the limit is 0.98): leave it out with "ignore", or say that it is known beforehand',
      },
      {
        kind: 'wrong-type',
        severity: 'error',
        column: 'monthly_charges',
        file: 'billing-2026-11.csv',
        rows: [204, 877, 1301, 1302, 1400, 2011, 2012, 2013, 2090, 3111],
        count: 41,
        words: 'monthly_charges is a number, and 41 records have text such as "n/a"; write nothing where a value is missing',
      },
      {
        kind: 'drift',
        severity: 'warning',
        column: 'monthly_charges',
        file: null,
        rows: [],
        count: 0,
        words: 'monthly_charges moved against version 3: the distance is 0.31, the limit 0.20',
      },
    ],
  }),
  makeVersion(3, now, { warnings: 1 }),
  makeVersion(2, now, {
    status: 'DROPPED',
    errors: 1,
    decision: { by: 'jon', at: now - 7 * 24 * hour, note: 'the export was cut off' },
    columns: columns(0.4),
  }),
  makeVersion(1, now),
];

export const makeDatasets = (now: number): Dataset[] => [
  { name: churn, kind: 'table', createdAt: now - 9 * 24 * hour, latest: 3, rows: 6300, bytes: 863_100, versions: 4, quarantined: 1, sources: 2 },
  { name: parts, kind: 'images', createdAt: now - 30 * 24 * hour, latest: 2, rows: 1800, bytes: 94_000_000, versions: 2, quarantined: 0, sources: 0 },
  { name: spam, kind: 'text', createdAt: now - 4 * 24 * hour, latest: 1, rows: 10_749, bytes: 41_300_000, versions: 1, quarantined: 0, sources: 1 },
];

export const makeSources = (now: number): Source[] => {
  const base = { dataset: churn, spec: { kind: 'table', label: 'churned' }, enabled: true, createdAt: now - 9 * 24 * hour, createdBy: 'mara' } as const;
  return [
    {
      ...base,
      name: modelName.parse('billing'),
      settings: { kind: 'sql', urlSecret: 'SERIN_SOURCE_BILLING', query: 'select * from churn where id > $1 order by id', cursorColumn: 'id' },
      mode: 'append',
      schedule: '0 3 * * *',
      lastReadAt: now - 2 * hour,
      nextReadAt: now + 7 * hour,
      last: { ok: false, words: 'the source did not answer within 30 s; nothing was changed, the next read is as planned', version: null },
    },
    {
      ...base,
      name: modelName.parse('drop-folder'),
      settings: { kind: 'folder', path: 'incoming/churn', pattern: '*.csv' },
      mode: 'append',
      schedule: '*/15 * * * *',
      lastReadAt: now - 12 * minute,
      nextReadAt: now + 3 * minute,
      last: { ok: true, words: '700 records of 1 file; 2 errors, so the batch waits in quarantine', version: 4 },
    },
    {
      ...base,
      name: modelName.parse('mail-archive'),
      dataset: spam,
      spec: { kind: 'text' },
      settings: {
        kind: 's3',
        endpoint: 'https://objects.example',
        region: 'eu-1',
        bucket: 'mails',
        prefix: '2026/',
        keyIdSecret: 'SERIN_SOURCE_KEY_ID',
        keySecret: 'SERIN_SOURCE_KEY',
      },
      mode: 'replace',
      schedule: null,
      enabled: false,
      lastReadAt: null,
      nextReadAt: null,
      last: null,
    },
  ];
};

const environment: Environment = {
  product: '0.1.0',
  node: '22.11.0',
  ort: '1.24.1',
  platform: 'linux 6.1',
  arch: 'x64',
  cpu: 'AMD EPYC 7R13',
  cpuFlags: ['avx2', 'fma'],
  threads: 2,
  lockfile: hash('c'),
};

const stageNotes: Record<(typeof stageNames)[number], string> = {
  ingest: '6300 records of 3 files',
  validate: 'nothing odd',
  split: '4410 train, 945 validation, 945 test',
  search: '12 trials, 4 trained to the end',
  train: '212 trees of at most 31 leaves',
  evaluate: 'AUC 0.847 on 945 records',
  quantise: 'trees keep their precision',
  gate: 'all 4 checks passed',
  package: 'version 6, 214233 bytes',
};

type StageState = Run['stages'][number]['state'];
const makeStages = (stateOf: (name: (typeof stageNames)[number], index: number) => StageState): Run['stages'] =>
  stageNames.map((name, index) => {
    const state = stateOf(name, index);
    const ended = state === 'done' || state === 'cached' || state === 'failed';
    return {
      name,
      state,
      key: ended ? hash(String(index)) : null,
      ms: state === 'cached' ? 12 : ended ? 400 + index * 1234 : null,
      words: ended ? stageNotes[name] : state === 'skipped' ? 'not asked for' : '',
    };
  });

export function makeRun(id: string, now: number, part: Partial<Run> = {}): Run {
  return {
    id,
    model: churn,
    pipeline: churn,
    status: 'SUCCEEDED',
    jobId: `job-${id}`,
    createdAt: now - 3 * hour,
    createdBy: 'mara',
    finishedAt: now - 3 * hour + 47_000,
    seed: 7,
    code: { revision: '4f1a9c0d2b77', digest: hash('d') },
    data: { dataset: churn, version: 3, digest: hash('3'), rows: 6300 },
    parameters: {
      'train.kind': 'trees',
      'train.trees': 300,
      'train.leaves': 31,
      'train.learningRate': 0.1,
      'train.balanced': false,
      'evaluate.metric': 'auc',
      'split.test': 0.15,
      'split.validation': 0.15,
    },
    environment,
    stages: makeStages((name, index) => (name === 'search' ? 'skipped' : index < 3 ? 'cached' : 'done')),
    metrics: { accuracy: 0.809, auc: 0.847, logLoss: 0.412, f1: 0.611, brier: 0.134, ece: 0.021 },
    baseline: { name: 'the most frequent class', metrics: { accuracy: 0.735, auc: 0.5, logLoss: 0.578, brier: 0.195 } },
    weightDigest: 'a1'.repeat(32),
    gate: {
      passed: true,
      checks: [
        { name: 'baseline', value: 0.32, limit: 0, passed: true, words: 'AUC is 0.347 above the baseline, at least 0.320 by the lower end of the interval' },
        { name: 'serving', value: -0.004, limit: -0.02, passed: true, words: 'AUC against version 5: +0.006, at least -0.004; down to -0.020 is allowed' },
        { name: 'bytes', value: 214_233, limit: 67_108_864, passed: true, words: 'the model has 214233 bytes; at most 67108864 are allowed' },
        { name: 'golden', value: 1, limit: 1, passed: true, words: 'the packaged graph answers as the trained trees do' },
      ],
    },
    version: 6,
    error: null,
    repeats: null,
    verdict: null,
    ...part,
  };
}

export function makeRuns(now: number): Run[] {
  const base = (id: string, hours: number, part: Partial<Run>): Run =>
    makeRun(id, now, { createdAt: now - hours * hour, finishedAt: now - hours * hour + 47_000, ...part });
  return [
    makeRun('live', now, {
      status: 'RUNNING',
      createdAt: now - 34_000,
      finishedAt: null,
      metrics: {},
      baseline: null,
      gate: null,
      version: null,
      weightDigest: null,
      stages: makeStages((name, index) => (name === 'train' ? 'running' : index < 3 ? 'cached' : name === 'search' ? 'done' : 'waiting')),
    }),
    base('again', 1, { repeats: 'best', version: null, verdict: { identical: true, differences: [] }, stages: makeStages(() => 'done') }),
    base('best', 3, {}),
    base('older', 28, { seed: 3, version: 5, metrics: { accuracy: 0.801, auc: 0.841, logLoss: 0.421, f1: 0.598 }, weightDigest: 'b2'.repeat(32) }),
    base('other', 29, {
      repeats: 'older',
      version: null,
      verdict: { identical: false, differences: ['weights: b2b2b2b2b2b2 then, c3c3c3c3c3c3 now', 'environment ort: 1.23.0 then, 1.24.1 now'] },
    }),
    base('broken', 50, {
      status: 'FAILED',
      metrics: {},
      baseline: null,
      gate: null,
      version: null,
      weightDigest: null,
      stages: makeStages((_, index) => (index === 0 ? 'done' : index === 1 ? 'failed' : 'waiting')),
      error: {
        code: 'TRAINING_DATA_INVALID',
        detail: 'billing.csv row 204, monthly_charges: "n/a" is not a number\nbilling.csv row 877, monthly_charges: "n/a" is not a number',
        hint: 'Mend the rows that are named, or leave them empty',
      },
    }),
    base('mails', 70, {
      model: spam,
      pipeline: spam,
      data: { dataset: spam, version: 1, digest: hash('9'), rows: 10_749 },
      metrics: { averagePrecision: 0.994, auc: 0.997, recall: 0.981 },
      baseline: { name: 'words that are known to be bad', metrics: { averagePrecision: 0.82, auc: 0.88 } },
      parameters: { 'train.kind': 'text-linear', 'evaluate.metric': 'averagePrecision' },
      version: 1,
    }),
  ];
}

const curve = (name: string, from: number, to: number, steps: number, wobble: number): RunDetail['series'][number] => ({
  name,
  points: Array.from({ length: steps }, (_, step): [number, number] => [
    step * 4,
    to + (from - to) * Math.exp(-step / (steps / 4)) + wobble * Math.sin(step * 1.7),
  ]),
});

const slice = (column: string, value: string, count: number, metric: number, half: number): RunDetail['slices'][number] => ({
  column,
  value,
  count,
  positives: 0.2 + half,
  answered: { value: 0.22 + half, low: 0.2, high: 0.27 + half },
  metric: { value: metric, low: metric - half, high: metric + half },
  difference: { value: metric - 0.847, low: metric - 0.847 - half * 1.05, high: metric - 0.847 + half * 1.05 },
});

export function makeDetail(run: Run): RunDetail {
  const succeeded = run.status === 'SUCCEEDED';
  const steps = run.status === 'RUNNING' ? 20 : 53;
  return {
    ...run,
    series:
      run.status === 'FAILED'
        ? []
        : [
            curve('training loss', 0.69, 0.33 + run.seed * 0.004, steps, 0.002),
            curve('validation loss', 0.69, 0.41 - run.seed * 0.004, steps, 0.006),
            curve('validation auc', 0.6, 0.845, steps, 0.004),
          ],
    artifacts: succeeded
      ? [
          { name: 'model.onnx', bytes: 214_233, sha256: hash('5') },
          { name: 'preprocessing.json', bytes: 4120, sha256: hash('6') },
          { name: 'explainer.bin', bytes: 98_221, sha256: hash('7') },
        ]
      : [],
    importance: succeeded
      ? {
          method: 'mean |SHAP|',
          columns: ['contract', 'tenure_months', 'monthly_charges', 'total_charges', 'payment'].map((name, index) => ({ name, value: 0.61 / (index + 1) })),
        }
      : null,
    confusion: succeeded
      ? {
          labels: ['no', 'yes'],
          counts: [
            [631, 63],
            [117, 134],
          ],
        }
      : null,
    intervals: succeeded ? { auc: { value: 0.847, low: 0.82, high: 0.872 }, accuracy: { value: 0.809, low: 0.783, high: 0.834 } } : {},
    slices: succeeded
      ? [
          slice('contract', 'month to month', 521, 0.741, 0.045),
          slice('contract', 'one year', 206, 0.86, 0.07),
          slice('contract', 'two years', 218, 0.93, 0.04),
          slice('payment', 'electronic check', 317, 0.83, 0.045),
          slice('payment', 'mailed check', 216, 0.86, 0.05),
        ]
      : [],
    assumptions: succeeded ? ['intervals are 95% by 1000 bootstrap repeats over whole customers; slices are not corrected for looking at many'] : [],
    trials: run.id === 'best' ? makeTrials() : [],
    log: ['ingest: 6300 records of 3 files', 'train: tree 100 of 300, validation loss 0.4312', 'train: tree 200 of 300, validation loss 0.4141'],
  };
}

const makeTrials = (): RunDetail['trials'] =>
  Array.from({ length: 12 }, (_, index) => {
    const budget = index % 3 === 0 ? 1 : index % 3 === 1 ? 0.3 : 0.1;
    const learningRate = 0.01 * 1.45 ** index;
    return {
      id: `t${index + 1}`,
      parameters: { 'train.learningRate': Number(learningRate.toPrecision(3)), 'train.leaves': 7 + ((index * 11) % 57) },
      rung: index % 3,
      budget,
      state: index === 11 ? 'failed' : budget === 1 ? 'done' : 'stopped',
      metric: index === 11 ? null : 0.8 + 0.05 * budget - 0.03 * Math.abs(Math.log10(learningRate) + 1),
    };
  });

export const makePipelines = (now: number): Pipeline[] => [
  {
    name: churn,
    description: 'Who will leave, from what is billed',
    trainer: 'trees',
    createdAt: now - 9 * 24 * hour,
    updatedAt: now - hour,
    runs: 6,
    last: { id: 'best', status: 'SUCCEEDED', at: now - 3 * hour, metrics: { auc: 0.847 }, cachedStages: 3, stages: 8 },
  },
  {
    name: spam,
    description: '',
    trainer: 'text-linear',
    createdAt: now - 4 * 24 * hour,
    updatedAt: now - 70 * hour,
    runs: 1,
    last: { id: 'mails', status: 'SUCCEEDED', at: now - 70 * hour, metrics: { averagePrecision: 0.994 }, cachedStages: 0, stages: 8 },
  },
];

const makeJob = (now: number): Job => ({
  id: 'job-live',
  kind: 'pipeline',
  model: churn,
  status: 'RUNNING',
  stage: 'train',
  fraction: 0.43,
  message: 'tree 128 of 300, 41 trees/s',
  etaMs: 9000,
  attempts: 1,
  createdAt: now - 34_000,
  createdBy: 'mara',
  startedAt: now - 33_000,
  finishedAt: null,
  error: null,
  version: null,
  metrics: {},
  log: [],
});

const environmentReport: EnvironmentReport = {
  environment,
  devices: [
    { count: 11, agent: '0.1.0', runtime: 'onnxruntime-node 1.24.1', os: 'linux', arch: 'x64', cpu: 'Intel N100', differences: [] },
    {
      count: 3,
      agent: '0.1.0',
      runtime: 'onnxruntime-node 1.22.0',
      os: 'linux',
      arch: 'arm64',
      cpu: 'Cortex-A76',
      differences: ['another processor architecture (arm64, trained on x64): sums are rounded in another order; golden vectors allow for it'],
    },
  ],
};

function found<Item>(item: Item | undefined): Item {
  if (item === undefined) throw new SerinError('NOT_FOUND');
  return item;
}

export function answersFor(now: number, role: Session['role'] = 'admin'): ConsoleAnswers {
  const versions = makeVersions(now);
  const runs = makeRuns(now);
  const runOf = (id: string | undefined): Run => found(runs.find((run) => run.id === id));
  const file = pipelineFile.parse({
    v: 1,
    name: 'churn',
    description: 'Who will leave, from what is billed',
    ingest: { dataset: 'churn' },
    train: { kind: 'trees' },
    evaluate: { metric: 'auc', slices: ['contract', 'payment'] },
  });
  const decide = (status: 'READY' | 'DROPPED') => (version: DatasetVersionDetail | undefined) => {
    const known = found(version);
    known.status = status;
    return known;
  };
  return {
    getSession: () => session(role),
    getOverview: () => overview(now),
    listDevices: () => ({ items: [], next: null, total: 0 }),
    listRollouts: () => ({ items: [], next: null, total: 0 }),
    listAlerts: () => ({ items: [], next: null, total: 0 }),
    listModels: () => ({ items: [] }),
    listJobs: () => ({ items: [makeJob(now)], next: null, total: 1 }),
    listDatasets: () => ({ items: makeDatasets(now) }),
    listDatasetVersions: ({ params }) => ({ items: params.name === 'churn' ? versions : [] }),
    getDatasetVersion: ({ params }) => found(params.name === 'churn' ? versions.find(({ version }) => version === Number(params.version)) : undefined),
    releaseDatasetVersion: ({ params }) => decide('READY')(versions.find(({ version }) => version === Number(params.version))),
    dropDatasetVersion: ({ params }) => decide('DROPPED')(versions.find(({ version }) => version === Number(params.version))),
    listSources: () => ({ items: makeSources(now) }),
    setSource: () => found(makeSources(now)[0]),
    readSource: () => makeJob(now),
    removeSource: () => ({}),
    listRuns: () => ({ items: runs }),
    getRun: ({ params }) => makeDetail(runOf(params.id)),
    getRunEnvironment: () => environmentReport,
    repeatRun: () => ({ run: runOf('live'), job: makeJob(now) }),
    compareRuns: ({ params }) => {
      const [left, right] = [runOf(params.id), runOf(params.other)];
      const names = [...new Set([...Object.keys(left.metrics), ...Object.keys(right.metrics)])];
      return {
        left,
        right,
        sameWeights: left.weightDigest === null || right.weightDigest === null ? null : left.weightDigest === right.weightDigest,
        differences:
          left.seed === right.seed
            ? []
            : [
                { what: 'environment ort', left: '1.23.0', right: '1.24.1' },
                { what: 'data', left: '111111111111', right: '333333333333' },
                { what: 'dataset', left: 'churn version 1', right: 'churn version 3' },
                { what: 'seed', left: String(left.seed), right: String(right.seed) },
                { what: 'parameter train.trees', left: '200', right: '300' },
                { what: 'stage train', left: 'aaaaaaaaaaaa', right: 'bbbbbbbbbbbb' },
              ],
        metrics: names.map((name) => {
          const [one, other] = [left.metrics[name] ?? null, right.metrics[name] ?? null];
          return { name, left: one, right: other, difference: one === null || other === null ? null : other - one };
        }),
      };
    },
    listPipelines: () => ({ items: makePipelines(now) }),
    getPipeline: ({ params }) => ({ pipeline: found(makePipelines(now).find(({ name }) => name === params.name)), file }),
    runPipeline: () => ({ missing: [], run: runOf('live'), job: makeJob(now) }),
  };
}
