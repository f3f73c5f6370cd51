import { datasetVersionDetail, type DatasetVersionDetail } from '@serin/protocol/api/datasets';
import { report, type Report } from '@serin/protocol/bundle/report';
import { runDetail, type RunDetail } from '@serin/protocol/api/runs';
import {
  alert,
  device,
  job,
  model,
  modelVersion,
  rollout,
  type Alert,
  type Device,
  type Job,
  type Model,
  type ModelVersion,
  type Rollout,
} from '@serin/protocol/api/resources';

/** One example of each thing, checked against its schema; tests change what they are about. */
export const exampleDevice = (change: object = {}): Device =>
  device.parse({
    id: 'cam-1',
    class: 'agent',
    site: 'hall-a',
    synthetic: true,
    state: 'ACTIVE',
    online: true,
    lastSeenAt: 1_000_000,
    joinedAt: 0,
    agent: '0.1.0',
    platform: 'linux x64',
    models: [{ model: 'picker', version: 2, variant: 'u8s8', measured: [], desiredVersion: 3, phase: 'DOWNLOADING', progress: 0.5, last: null }],
    live: { at: 1_000_000, inferencesPerS: 9.96, p50Ms: 1, p95Ms: 2.5, badShare: 0.01, rightShare: null, meanConfidence: 0.9 },
    drift: null,
    windows: { received: 10, missing: 0, dropped: 0 },
    refused: { count: 0, lastCode: null },
    error: null,
    ...change,
  });

export const exampleRollout = (change: object = {}): Rollout =>
  rollout.parse({
    id: 'r1',
    model: 'picker',
    version: 3,
    previous: 2,
    status: 'JUDGE',
    stageIndex: 0,
    stages: [
      { label: 'canary', devices: 1, state: 'now' },
      { label: 'the rest', devices: 4, state: 'planned' },
    ],
    words: 'The canary is watched',
    reason: null,
    verdict: null,
    members: [{ device: 'cam-1', stage: 0, outcome: 'COMMITTED', code: null }],
    createdAt: 0,
    createdBy: 'ada',
    updatedAt: 0,
    finishedAt: null,
    history: [],
    ...change,
  });

export const exampleJob = (change: object = {}): Job =>
  job.parse({
    id: 'j1',
    kind: 'train',
    model: 'picker',
    status: 'RUNNING',
    stage: 'train',
    fraction: 0.5,
    message: 'epoch 3',
    etaMs: null,
    attempts: 1,
    createdAt: 0,
    createdBy: 'ada',
    startedAt: 0,
    finishedAt: null,
    error: null,
    version: null,
    metrics: {},
    log: [],
    ...change,
  });

export const exampleAlert = (change: object = {}): Alert =>
  alert.parse({
    id: 'a1',
    model: 'picker',
    version: 2,
    statistic: 'brightness',
    state: 'OPEN',
    severity: 'high',
    openedAt: 0,
    clearedAt: null,
    since: 0,
    effect: 0.42,
    evidence: 100,
    threshold: 50,
    devices: ['cam-1'],
    words: 'The light has changed',
    assumption: 'windows are alike',
    jobId: null,
    reference: [],
    live: [],
    edges: [],
    ...change,
  });

export const exampleModel = (change: object = {}): Model => model.parse({ name: 'picker', createdAt: 0, champion: 2, versions: 3, devices: 5, ...change });

export const exampleVersion = (change: object = {}): ModelVersion =>
  modelVersion.parse({
    model: 'picker',
    version: 4,
    manifest: 'a'.repeat(64),
    bytes: 12_345,
    createdAt: 0,
    createdBy: 'ada',
    origin: 'pushed',
    note: '',
    jobId: null,
    metrics: {},
    gate: null,
    variants: [{ name: 'fp32', bytes: 12_345, devices: 0, p50Ms: null }],
    labels: ['a', 'b'],
    hasReport: false,
    signedBy: '0123456789abcdef',
    devices: 0,
    ...change,
  });

export const exampleDatasetVersion = (change: object = {}): DatasetVersionDetail =>
  datasetVersionDetail.parse({
    dataset: 'churn',
    version: 1,
    kind: 'table',
    spec: { kind: 'table', label: 'churned' },
    digest: 'b'.repeat(64),
    status: 'READY',
    parent: null,
    createdAt: 0,
    createdBy: 'ada',
    source: null,
    note: '',
    files: 1,
    bytes: 1000,
    rows: 50,
    splits: { train: 40, validation: 5, test: 5 },
    labels: [{ label: 'yes', count: 50 }],
    errors: 0,
    warnings: 0,
    decision: null,
    anomalies: [],
    anomaliesBeyond: 0,
    columns: [],
    ...change,
  });

export const exampleRun = (change: object = {}): RunDetail =>
  runDetail.parse({
    id: 'run-1',
    model: 'churn',
    pipeline: 'churn',
    status: 'SUCCEEDED',
    jobId: 'j1',
    createdAt: 0,
    createdBy: 'ada',
    finishedAt: 1,
    seed: 1,
    code: { revision: null, digest: null },
    data: { dataset: 'churn', version: 1, digest: 'b'.repeat(64), rows: 50 },
    parameters: {},
    environment: { product: '0.1.0', node: '20', ort: '1.30', platform: 'linux', arch: 'x64', cpu: 'test', cpuFlags: [], threads: 1, lockfile: null },
    stages: [
      { name: 'ingest', state: 'cached', key: null, ms: 10, words: '1 file' },
      { name: 'train', state: 'done', key: null, ms: 1500, words: '40 trees' },
    ],
    metrics: { auc: 0.9 },
    baseline: { name: 'linear', metrics: { auc: 0.8 } },
    weightDigest: 'c'.repeat(64),
    gate: { passed: true, checks: [{ name: 'auc', value: 0.9, limit: 0.6, passed: true, words: 'auc is 0.9' }] },
    version: 1,
    error: null,
    repeats: null,
    verdict: null,
    series: [],
    artifacts: [],
    importance: null,
    confusion: null,
    intervals: { auc: { value: 0.9, low: 0.85, high: 0.95 } },
    slices: [],
    assumptions: [],
    trials: [],
    log: [],
    ...change,
  });

export const exampleReport = (change: object = {}): Report =>
  report.parse({
    v: 1,
    model: 'picker',
    task: 'image-classification',
    labels: ['nut', 'bolt'],
    performance: {
      part: 'the test part',
      examples: 100,
      main: 'accuracy',
      metrics: [{ name: 'accuracy', better: 'higher', unit: 'share', value: 0.9, low: 0.85, high: 0.95 }],
      slices: [
        { column: 'light', value: 'bright', count: 80, metric: { value: 0.95, low: 0.9, high: 1 } },
        { column: 'light', value: 'dim', count: 20, metric: { value: 0.7, low: 0.6, high: 0.8 } },
      ],
    },
    variants: [
      {
        variant: 'u8s8',
        bytes: 400,
        ships: true,
        words: 'good',
        loss: { metric: 'accuracy', float: 0.9, value: 0.898, share: 0.002 },
        latency: { p50Ms: 0.4, p90Ms: 0.5, p99Ms: 0.6, queries: 100, threads: 1 },
      },
      { variant: 'w4', bytes: 200, ships: false, words: 'loses too much', loss: { metric: 'accuracy', float: 0.9, value: 0.864, share: 0.04 } },
    ],
    gate: {
      passed: false,
      checks: [
        { name: 'accuracy', value: 0.9, limit: 0.95, passed: false, words: 'accuracy is 0.9 on the test part; at least 0.95 is asked, it is off by 0.05' },
      ],
    },
    assumptions: [],
    ...change,
  });
