import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LiveEvent } from '@serin/protocol/api/events';
import { makeAlert, makeDevice, makeJob, makeRollout } from '../domain/testing.ts';
import { appendRate, coalesce, mergeAlert, mergeDevices, mergeJob, mergeRollout } from './merge.ts';

describe('devices', () => {
  test('are replaced where they stand, and new ones come last', () => {
    const list = [makeDevice('a'), makeDevice('b')];
    const merged = mergeDevices(list, [makeDevice('c'), makeDevice('a', { online: false })]);
    expect(merged.map(({ id, online }) => [id as string, online])).toEqual([
      ['a', false],
      ['b', true],
      ['c', true],
    ]);
    expect(merged[1]).toBe(list[1]);
  });

  test('that did not change leave the list as it is', () => {
    const list = [makeDevice('a')];
    expect(mergeDevices(list, [])).toBe(list);
  });

  test('may arrive twice', () => {
    const some = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd')).map((ids) => ids.map((id) => makeDevice(id)));
    fc.assert(
      fc.property(some, some, (list, incoming) => {
        const once = mergeDevices(list, incoming);
        expect(mergeDevices(once, incoming)).toEqual(once);
        expect(new Set(once.map(({ id }) => id)).size).toBe(once.length);
      }),
    );
  });
});

test('an older copy of a rollout changes nothing, whenever it comes', () => {
  const newer = makeRollout('r', { updatedAt: 20, status: 'COMPLETED' });
  const list = mergeRollout([], newer);
  expect(mergeRollout(list, makeRollout('r', { updatedAt: 10, status: 'JUDGE' }))).toBe(list);
  expect(mergeRollout(list, makeRollout('r', { updatedAt: 30, status: 'SUPERSEDED' }))[0]?.status).toBe('SUPERSEDED');
});

test('lists stay newest first', () => {
  const rollouts = mergeRollout(mergeRollout([], makeRollout('old', { createdAt: 1 })), makeRollout('new', { createdAt: 2 }));
  expect(rollouts.map(({ id }) => id)).toEqual(['new', 'old']);
  const alerts = mergeAlert(mergeAlert([], makeAlert('old', { openedAt: 1 })), makeAlert('new', { openedAt: 2 }));
  expect(alerts.map(({ id }) => id)).toEqual(['new', 'old']);
});

test('a finished job does not run again because an old event is late, but a new attempt does', () => {
  const list = mergeJob([], makeJob('j', { finishedAt: 9, status: 'FAILED', attempts: 1 }));
  expect(mergeJob(list, makeJob('j', { fraction: 0.5 }))).toBe(list);
  expect(mergeJob(list, makeJob('j', { attempts: 2 }))[0]?.status).toBe('RUNNING');
});

test('a cleared alert stays cleared', () => {
  const list = mergeAlert([], makeAlert('a', { state: 'CLEARED', clearedAt: 5 }));
  expect(mergeAlert(list, makeAlert('a'))).toBe(list);
});

test('rates are few, ascend, and ignore what is not newer', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(500), { maxLength: 300 }), (times) => {
      let list: readonly { at: number; inferencesPerS: number; windowsPerMinute: number }[] = [];
      for (const at of times) list = appendRate(list, { at, inferencesPerS: 1, windowsPerMinute: 1 });
      expect(list.length).toBeLessThanOrEqual(90);
      for (const [index, { at }] of list.entries()) if (index > 0) expect(at).toBeGreaterThan(list[index - 1]?.at ?? Number.POSITIVE_INFINITY);
    }),
  );
});

describe('a burst of events', () => {
  const devices = (...ids: string[]): LiveEvent => ({ type: 'devices', devices: ids.map((id) => makeDevice(id)) });

  test('becomes one event per thing, the last one', () => {
    const events = coalesce([
      devices('a', 'b'),
      { type: 'job', job: makeJob('j', { fraction: 0.1 }) },
      devices('b', 'c'),
      { type: 'models' },
      { type: 'job', job: makeJob('j', { fraction: 0.2 }) },
      { type: 'models' },
    ]);
    expect(events.map(({ type }) => type)).toEqual(['devices', 'job', 'models']);
    expect(events[0]).toMatchObject({ devices: [{ id: 'a' }, { id: 'b' }, { id: 'c' }] });
    expect(events[1]).toMatchObject({ job: { fraction: 0.2 } });
  });

  test('forgets what came before a reset, and keeps what came after', () => {
    expect(coalesce([devices('a'), { type: 'reset' }, devices('b'), { type: 'reset' }, { type: 'models' }])).toEqual([{ type: 'reset' }, { type: 'models' }]);
    expect(coalesce([])).toEqual([]);
  });

  test('coalesced again is the same', () => {
    const one = fc.constantFrom<LiveEvent>(devices('a'), devices('b', 'a'), { type: 'reset' }, { type: 'models' }, { type: 'alert', alert: makeAlert('x') });
    fc.assert(
      fc.property(fc.array(one), (events) => {
        expect(coalesce(coalesce(events))).toEqual(coalesce(events));
      }),
    );
  });
});
