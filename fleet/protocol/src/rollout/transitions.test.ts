import { expect, test } from 'vitest';
import { rolloutStatus } from '../api/resources.ts';
import { SerinError } from '../errors.ts';
import type { RolloutEventType } from './events.ts';
import { acceptsEvent, findTransition, rolloutTransitions } from './transitions.ts';

const statuses = rolloutStatus.def.entries;
const orders: RolloutEventType[] = ['approve', 'start', 'pause', 'resume', 'abort', 'supersede'];
const facts: RolloutEventType[] = ['devices', 'reported', 'evidence', 'tick'];

test('facts are known in every status, so late ones never fault', () => {
  for (const status of Object.values(statuses)) {
    for (const fact of facts) expect(findTransition(status, fact).on).toBe(fact);
  }
});

test('no pair is listed twice', () => {
  expect(new Set(rolloutTransitions.map(({ from, on }) => `${from} ${on}`)).size).toBe(rolloutTransitions.length);
});

test('an ended rollout takes no orders, and says so with a code', () => {
  for (const status of ['COMPLETED', 'ROLLED_BACK', 'ROLLBACK_INCOMPLETE', 'SUPERSEDED'] as const) {
    for (const order of orders) {
      expect(acceptsEvent(status, order)).toBe(false);
      expect(() => findTransition(status, order)).toThrow(expect.objectContaining({ code: 'ROLLOUT_TRANSITION_UNKNOWN' }));
    }
  }
  expect(() => findTransition('JUDGE', 'start')).toThrow(SerinError);
});

test('nothing leads out of an ended rollout but a late confirmation of going back', () => {
  const ended = new Set(['COMPLETED', 'ROLLED_BACK', 'SUPERSEDED', 'ROLLBACK_INCOMPLETE']);
  const ways = rolloutTransitions.filter(({ from, to }) => ended.has(from) && to.some((status) => status !== from));
  expect(ways).toEqual([{ from: 'ROLLBACK_INCOMPLETE', on: 'reported', do: 'confirm', to: ['ROLLBACK_INCOMPLETE', 'ROLLED_BACK'] }]);
});

test('a rollout completes only from judging or by an approval', () => {
  const ways = rolloutTransitions.filter(({ to }) => to.includes('COMPLETED')).map(({ from, on }) => `${from} ${on}`);
  expect(ways).toEqual(['JUDGE evidence', 'JUDGE tick', 'PAUSED approve', 'COMPLETED devices', 'COMPLETED reported', 'COMPLETED evidence', 'COMPLETED tick']);
});
