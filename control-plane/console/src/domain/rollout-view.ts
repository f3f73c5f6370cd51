import type { Rollout, RolloutStatus, RolloutVerdict } from '@serin/protocol/api/resources';
import { formatNumber, plural } from './format.ts';

export type Tone = 'ok' | 'info' | 'warn' | 'bad' | 'idle';

export const rolloutLabel: Record<RolloutStatus, string> = {
  SCHEDULED: 'Scheduled',
  DISPATCH: 'Dispatching',
  JUDGE: 'Judging',
  PAUSED: 'Paused',
  ROLLING_BACK: 'Rolling back',
  ROLLED_BACK: 'Rolled back',
  ROLLBACK_INCOMPLETE: 'Rollback incomplete',
  COMPLETED: 'Completed',
  SUPERSEDED: 'Superseded',
};

export const rolloutTone: Record<RolloutStatus, Tone> = {
  SCHEDULED: 'info',
  DISPATCH: 'info',
  JUDGE: 'info',
  PAUSED: 'warn',
  ROLLING_BACK: 'bad',
  ROLLED_BACK: 'bad',
  ROLLBACK_INCOMPLETE: 'bad',
  COMPLETED: 'ok',
  SUPERSEDED: 'idle',
};

const ended: readonly RolloutStatus[] = ['ROLLED_BACK', 'ROLLBACK_INCOMPLETE', 'COMPLETED', 'SUPERSEDED'];
export const isLive = ({ status }: Pick<Rollout, 'status'>): boolean => !ended.includes(status);

export type RolloutAction = 'pauseRollout' | 'resumeRollout' | 'abortRollout';

/** What can be pressed in a state; empty once it has ended or is already going back. */
export function actionsOf(status: RolloutStatus): RolloutAction[] {
  if (status === 'PAUSED') return ['resumeRollout', 'abortRollout'];
  if (status === 'SCHEDULED' || status === 'DISPATCH' || status === 'JUDGE') return ['pauseRollout', 'abortRollout'];
  return [];
}

/** Members that run, or are getting, the new version: exactly those a rollback changes. */
export function devicesRolledBack({ members, stageIndex }: Pick<Rollout, 'members' | 'stageIndex'>): string[] {
  return members.filter(({ stage }) => stage <= stageIndex).map(({ device }) => device);
}

const memberTones: Readonly<Record<string, Tone>> = { PENDING: 'info', ACTIVE: 'ok', FAILED: 'bad', LOST: 'bad', NOT_REACHED: 'idle', ROLLED_BACK: 'warn' };

export const memberTone = (outcome: string): Tone => memberTones[outcome] ?? 'idle';

/** How far evidence has come towards its threshold on the log scale it grows on, 0..1. */
export function evidenceShare(eValue: number, threshold: number): number {
  if (!(eValue > 1) || !(threshold > 1)) return 0;
  return Math.min(1, Math.log(eValue) / Math.log(threshold));
}

const outcomes = { safe: ['goes on', 'went on'], worse: ['rolls back', 'was rolled back'] } as const;

/** What one side of the evidence leads to, in the tense of the rollout. */
export function evidenceWords({ eNotWorse, eWorse, threshold, canaryFrames, framesNeeded }: RolloutVerdict, side: 'safe' | 'worse', live: boolean): string {
  const reached = (side === 'safe' ? eNotWorse : eWorse) >= threshold;
  const [will, did] = outcomes[side];
  if (!reached) return live ? `at ${formatNumber(threshold)} it ${will}` : `${formatNumber(threshold)} was not reached`;
  if (!live) return `reached: it ${did}`;
  return side === 'safe' && canaryFrames < framesNeeded ? `reached: it ${will} after ${plural(framesNeeded, 'frame')}` : `reached: it ${will}`;
}

/** A symmetric scale for canary minus control that always holds the interval. */
export function differenceDomain(interval: readonly [number, number] | null, difference: number | null): [number, number] {
  const most = Math.max(0.02, ...(interval ?? []).map(Math.abs), Math.abs(difference ?? 0)) * 1.15;
  return [-most, most];
}
