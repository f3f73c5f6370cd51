import type { Job } from '@serin/protocol/api/resources';
import type { Tone } from './rollout-view.ts';

export const isRunning = ({ status }: Pick<Job, 'status'>): boolean => status === 'RUNNING' || status === 'QUEUED';

export const jobTone: Record<Job['status'], Tone> = { QUEUED: 'idle', RUNNING: 'info', SUCCEEDED: 'ok', FAILED: 'bad', CANCELLED: 'idle' };

const kinds: Record<Job['kind'], string> = {
  train: 'Train',
  retrain: 'Retrain',
  spoil: 'Make a spoiled version of',
  ingest: 'Read data into',
  pipeline: 'Run the pipeline',
  trial: 'Try parameters of',
  import: 'Import',
};

export const jobTitle = ({ kind, model }: Pick<Job, 'kind' | 'model'>): string => `${kinds[kind]} ${model}`;

/** A finished job is full or stays where it stopped; a queued one has not begun. */
export const jobFraction = ({ status, fraction }: Pick<Job, 'status' | 'fraction'>): number =>
  status === 'SUCCEEDED' ? 1 : status === 'QUEUED' ? 0 : Math.min(1, Math.max(0, fraction));
