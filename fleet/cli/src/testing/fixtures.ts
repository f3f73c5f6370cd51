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
    models: [{ model: 'picker', version: 2, variant: 'u8s8', desiredVersion: 3, phase: 'DOWNLOADING', progress: 0.5, last: null }],
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
    variants: [{ name: 'fp32', bytes: 12_345 }],
    labels: ['a', 'b'],
    signedBy: '0123456789abcdef',
    devices: 0,
    ...change,
  });
