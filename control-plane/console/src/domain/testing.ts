import type { Alert, Device, Job, Rollout } from '@serin/protocol/api/resources';
import { deviceId, modelName } from '@serin/protocol/ids';

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
  return { model: picker, version: 3, variant: 'u8s8', desiredVersion: 3, phase: 'IDLE', progress: null, last: null, ...part };
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
