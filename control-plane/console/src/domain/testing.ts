import type { ColumnSummary, Dataset, DatasetVersionDetail } from '@serin/protocol/api/datasets';
import type { Alert, Device, Job, Rollout } from '@serin/protocol/api/resources';
import type { Run, RunDetail } from '@serin/protocol/api/runs';
import { deviceId, digest, modelName } from '@serin/protocol/ids';

/** Whole resources for tests, each with only what the test is about spelled out. */
export const picker = modelName.parse('picker');

export function makeDevice(id: string, part: Partial<Omit<Device, 'id'>> = {}): Device {
  return {
    id: deviceId.parse(id),
    class: 'agent',
    site: 'hall-a',
    synthetic: true,
    state: 'ACTIVE',
    online: true,
    lastSeenAt: 1000,
    joinedAt: 0,
    agent: '0.1.0',
    platform: 'linux x64',
    models: [makeDeviceModel()],
    live: null,
    drift: null,
    windows: { received: 0, missing: 0, dropped: 0 },
    refused: { count: 0, lastCode: null },
    error: null,
    ...part,
  };
}

export function makeDeviceModel(part: Partial<Device['models'][number]> = {}): Device['models'][number] {
  return { model: picker, version: 3, variant: 'u8s8', measured: [], desiredVersion: 3, phase: 'IDLE', progress: null, last: null, ...part };
}

export function makeRollout(id: string, part: Partial<Rollout> = {}): Rollout {
  return {
    id,
    model: picker,
    version: 4,
    previous: 3,
    status: 'JUDGE',
    stageIndex: 0,
    stages: [],
    words: '',
    reason: null,
    verdict: null,
    members: [],
    createdAt: 0,
    createdBy: 'admin',
    updatedAt: 0,
    finishedAt: null,
    history: [],
    ...part,
  };
}

export function makeJob(id: string, part: Partial<Job> = {}): Job {
  return {
    id,
    kind: 'retrain',
    model: picker,
    status: 'RUNNING',
    stage: 'train',
    fraction: 0,
    message: '',
    etaMs: null,
    attempts: 1,
    createdAt: 0,
    createdBy: 'admin',
    startedAt: null,
    finishedAt: null,
    error: null,
    version: null,
    metrics: {},
    log: [],
    ...part,
  };
}

export function makeAlert(id: string, part: Partial<Alert> = {}): Alert {
  return {
    id,
    model: picker,
    version: 3,
    statistic: 'brightness',
    state: 'OPEN',
    severity: 'high',
    openedAt: 0,
    clearedAt: null,
    since: 0,
    effect: 0.4,
    evidence: 9000,
    threshold: 8640,
    devices: [],
    words: '',
    assumption: '',
    jobId: null,
    reference: [],
    live: [],
    edges: [],
    ...part,
  };
}

export function makeColumn(name: string, part: Partial<ColumnSummary> = {}): ColumnSummary {
  return {
    name,
    type: 'number',
    role: 'feature',
    count: 100,
    missing: 0,
    distinct: 10,
    numbers: null,
    top: [],
    lengths: null,
    association: null,
    ...part,
  };
}

export function makeDatasetVersion(version: number, part: Partial<DatasetVersionDetail> = {}): DatasetVersionDetail {
  return {
    dataset: modelName.parse('churn'),
    version,
    kind: 'table',
    spec: { kind: 'table' },
    digest: digest.parse(String(version % 10).repeat(64)),
    status: 'READY',
    parent: null,
    createdAt: version,
    createdBy: 'admin',
    source: null,
    note: '',
    files: 1,
    bytes: 1000,
    rows: 100,
    splits: { train: 70, validation: 15, test: 15 },
    labels: [],
    errors: 0,
    warnings: 0,
    decision: null,
    anomalies: [],
    anomaliesBeyond: 0,
    columns: [],
    ...part,
  };
}

export function makeDataset(name: string, part: Partial<Dataset> = {}): Dataset {
  return { name: modelName.parse(name), kind: 'table', createdAt: 0, latest: 1, rows: 10, bytes: 100, versions: 1, quarantined: 0, sources: 0, ...part };
}

export function makeRun(id: string, part: Partial<Run> = {}): Run {
  return {
    id,
    model: modelName.parse('churn'),
    pipeline: modelName.parse('churn'),
    status: 'SUCCEEDED',
    jobId: null,
    createdAt: 0,
    createdBy: 'admin',
    finishedAt: 1000,
    seed: 1,
    code: { revision: null, digest: null },
    data: null,
    parameters: {},
    environment: { product: '0.1.0', node: '22', ort: '1.24', platform: 'linux', arch: 'x64', cpu: '', cpuFlags: [], threads: 1, lockfile: null },
    stages: [],
    metrics: {},
    baseline: null,
    weightDigest: null,
    gate: null,
    version: null,
    error: null,
    repeats: null,
    verdict: null,
    ...part,
  };
}

export function makeRunDetail(id: string, part: Partial<RunDetail> = {}): RunDetail {
  return {
    ...makeRun(id),
    series: [],
    artifacts: [],
    importance: null,
    confusion: null,
    intervals: {},
    slices: [],
    assumptions: [],
    trials: [],
    log: [],
    ...part,
  };
}
