import type { RolloutStatus } from '../api/resources.ts';
import { SerinError } from '../errors.ts';
import type { RolloutEventType } from './events.ts';

/** What a step does with an event; step.ts has one function for each. */
export type RolloutAction =
  | 'sign'
  | 'begin'
  | 'fill'
  | 'watch'
  | 'note'
  | 'weigh'
  | 'wait'
  | 'hold'
  | 'continue'
  | 'override'
  | 'goBack'
  | 'giveWay'
  | 'confirm'
  | 'ignore';

export interface RolloutTransition {
  from: RolloutStatus;
  on: RolloutEventType;
  do: RolloutAction;
  to: readonly RolloutStatus[];
}

const row = (from: RolloutStatus, on: RolloutEventType, action: RolloutAction, ...to: RolloutStatus[]): RolloutTransition => ({ from, on, do: action, to });

/** Every known pair. What is missing is refused: an order that makes no sense in that state. */
export const rolloutTransitions: readonly RolloutTransition[] = [
  row('SCHEDULED', 'approve', 'sign', 'SCHEDULED'),
  row('SCHEDULED', 'start', 'begin', 'SCHEDULED', 'DISPATCH'),
  row('SCHEDULED', 'devices', 'ignore', 'SCHEDULED'),
  row('SCHEDULED', 'reported', 'ignore', 'SCHEDULED'),
  row('SCHEDULED', 'evidence', 'ignore', 'SCHEDULED'),
  row('SCHEDULED', 'tick', 'ignore', 'SCHEDULED'),
  row('SCHEDULED', 'pause', 'hold', 'PAUSED'),
  row('SCHEDULED', 'abort', 'goBack', 'ROLLED_BACK'),
  row('SCHEDULED', 'supersede', 'giveWay', 'SUPERSEDED'),

  row('DISPATCH', 'devices', 'fill', 'DISPATCH', 'JUDGE', 'ROLLING_BACK', 'ROLLED_BACK'),
  row('DISPATCH', 'reported', 'note', 'DISPATCH', 'JUDGE', 'ROLLING_BACK', 'ROLLED_BACK'),
  row('DISPATCH', 'evidence', 'weigh', 'DISPATCH', 'ROLLING_BACK', 'ROLLED_BACK'),
  row('DISPATCH', 'tick', 'wait', 'DISPATCH', 'PAUSED', 'ROLLING_BACK', 'ROLLED_BACK'),
  row('DISPATCH', 'pause', 'hold', 'PAUSED'),
  row('DISPATCH', 'abort', 'goBack', 'ROLLING_BACK', 'ROLLED_BACK'),
  row('DISPATCH', 'supersede', 'giveWay', 'SUPERSEDED'),

  row('JUDGE', 'devices', 'watch', 'JUDGE', 'ROLLING_BACK', 'ROLLED_BACK'),
  row('JUDGE', 'reported', 'note', 'JUDGE', 'ROLLING_BACK', 'ROLLED_BACK'),
  row('JUDGE', 'evidence', 'weigh', 'JUDGE', 'DISPATCH', 'COMPLETED', 'ROLLING_BACK', 'ROLLED_BACK'),
  row('JUDGE', 'tick', 'wait', 'JUDGE', 'DISPATCH', 'COMPLETED', 'PAUSED', 'ROLLING_BACK', 'ROLLED_BACK'),
  row('JUDGE', 'pause', 'hold', 'PAUSED'),
  row('JUDGE', 'abort', 'goBack', 'ROLLING_BACK', 'ROLLED_BACK'),
  row('JUDGE', 'supersede', 'giveWay', 'SUPERSEDED'),

  row('PAUSED', 'devices', 'watch', 'PAUSED', 'ROLLING_BACK', 'ROLLED_BACK'),
  row('PAUSED', 'reported', 'note', 'PAUSED', 'ROLLING_BACK', 'ROLLED_BACK'),
  row('PAUSED', 'evidence', 'weigh', 'PAUSED', 'ROLLING_BACK', 'ROLLED_BACK'),
  row('PAUSED', 'tick', 'wait', 'PAUSED', 'ROLLING_BACK', 'ROLLED_BACK'),
  row('PAUSED', 'resume', 'continue', 'SCHEDULED', 'DISPATCH', 'JUDGE'),
  row('PAUSED', 'approve', 'override', 'PAUSED', 'DISPATCH', 'COMPLETED'),
  row('PAUSED', 'abort', 'goBack', 'ROLLING_BACK', 'ROLLED_BACK'),
  row('PAUSED', 'supersede', 'giveWay', 'SUPERSEDED'),

  row('ROLLING_BACK', 'devices', 'ignore', 'ROLLING_BACK'),
  row('ROLLING_BACK', 'reported', 'confirm', 'ROLLING_BACK', 'ROLLED_BACK'),
  row('ROLLING_BACK', 'evidence', 'ignore', 'ROLLING_BACK'),
  row('ROLLING_BACK', 'tick', 'wait', 'ROLLING_BACK', 'ROLLBACK_INCOMPLETE'),
  row('ROLLING_BACK', 'supersede', 'ignore', 'ROLLING_BACK'),

  row('ROLLBACK_INCOMPLETE', 'devices', 'ignore', 'ROLLBACK_INCOMPLETE'),
  row('ROLLBACK_INCOMPLETE', 'reported', 'confirm', 'ROLLBACK_INCOMPLETE', 'ROLLED_BACK'),
  row('ROLLBACK_INCOMPLETE', 'evidence', 'ignore', 'ROLLBACK_INCOMPLETE'),
  row('ROLLBACK_INCOMPLETE', 'tick', 'ignore', 'ROLLBACK_INCOMPLETE'),

  row('ROLLED_BACK', 'devices', 'ignore', 'ROLLED_BACK'),
  row('ROLLED_BACK', 'reported', 'ignore', 'ROLLED_BACK'),
  row('ROLLED_BACK', 'evidence', 'ignore', 'ROLLED_BACK'),
  row('ROLLED_BACK', 'tick', 'ignore', 'ROLLED_BACK'),

  row('COMPLETED', 'devices', 'ignore', 'COMPLETED'),
  row('COMPLETED', 'reported', 'ignore', 'COMPLETED'),
  row('COMPLETED', 'evidence', 'ignore', 'COMPLETED'),
  row('COMPLETED', 'tick', 'ignore', 'COMPLETED'),

  row('SUPERSEDED', 'devices', 'ignore', 'SUPERSEDED'),
  row('SUPERSEDED', 'reported', 'ignore', 'SUPERSEDED'),
  row('SUPERSEDED', 'evidence', 'ignore', 'SUPERSEDED'),
  row('SUPERSEDED', 'tick', 'ignore', 'SUPERSEDED'),
];

const byPair = new Map(rolloutTransitions.map((transition) => [`${transition.from} ${transition.on}`, transition]));

/** Whether an event is known in a state: ask before offering or accepting an order. */
export function acceptsEvent(status: RolloutStatus, type: RolloutEventType): boolean {
  return byPair.has(`${status} ${type}`);
}

export function findTransition(status: RolloutStatus, type: RolloutEventType): RolloutTransition {
  const transition = byPair.get(`${status} ${type}`);
  if (transition === undefined) throw new SerinError('ROLLOUT_TRANSITION_UNKNOWN', { detail: `${type} in ${status}` });
  return transition;
}

/** Live: devices may still be assigned, and every abort rule runs. */
export const liveStatuses: ReadonlySet<RolloutStatus> = new Set<RolloutStatus>(['SCHEDULED', 'DISPATCH', 'JUDGE', 'PAUSED']);
