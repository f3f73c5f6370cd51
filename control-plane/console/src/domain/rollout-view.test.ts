import { expect, test } from 'vitest';
import { rolloutStatus } from '@serin/protocol/api/resources';
import { memberOutcome } from '@serin/protocol/rollout/states';
import { deviceId } from '@serin/protocol/ids';
import { actionsOf, devicesRolledBack, differenceDomain, evidenceShare, evidenceWords, isLive, memberTone, rolloutLabel, rolloutTone } from './rollout-view.ts';

test('a rollout that ended, or goes back already, offers nothing to press', () => {
  for (const status of rolloutStatus.options) {
    const actions = actionsOf(status);
    expect(actions.length > 0).toBe(isLive({ status }) && status !== 'ROLLING_BACK');
    if (actions.length > 0) expect(actions).toContain('abortRollout');
    expect(rolloutLabel[status]).not.toBe('');
    expect(rolloutTone[status]).toBeDefined();
  }
  expect(actionsOf('PAUSED')).toContain('resumeRollout');
  expect(actionsOf('JUDGE')).toContain('pauseRollout');
});

test('a failed member never looks well, and a running one never looks ill', () => {
  expect(memberOutcome.options.map((outcome) => [outcome, memberTone(outcome)])).toEqual([
    ['PENDING', 'info'],
    ['ACTIVE', 'ok'],
    ['FAILED', 'bad'],
    ['LOST', 'bad'],
    ['NOT_REACHED', 'idle'],
    ['ROLLED_BACK', 'warn'],
  ]);
});

test('rolling back names the devices of the stages so far, not those of later ones', () => {
  const members = [
    { device: deviceId.parse('cam-1'), stage: 0, outcome: 'ACTIVE', code: null },
    { device: deviceId.parse('cam-2'), stage: 1, outcome: 'PENDING', code: null },
  ];
  expect(devicesRolledBack({ members, stageIndex: 0 })).toEqual(['cam-1']);
  expect(devicesRolledBack({ members, stageIndex: 1 })).toEqual(['cam-1', 'cam-2']);
});

test('evidence moves on the scale it grows on and stops at its threshold', () => {
  expect(evidenceShare(1, 20)).toBe(0);
  expect(evidenceShare(0.2, 20)).toBe(0);
  expect(evidenceShare(Math.sqrt(20), 20)).toBeCloseTo(0.5);
  expect(evidenceShare(1e9, 20)).toBe(1);
  expect(evidenceShare(Number.NaN, 20)).toBe(0);
});

test('the difference scale is symmetric and holds the whole interval', () => {
  const [low, high] = differenceDomain([-0.3, 0.1], -0.1);
  expect(low).toBe(-high);
  expect(high).toBeGreaterThan(0.3);
  expect(differenceDomain(null, null)[1]).toBeGreaterThan(0);
});

test('evidence says what it leads to, what it still waits for, and in the past once the rollout ended', () => {
  const verdict = {
    state: 'pending' as const,
    words: '',
    canaryBad: 0,
    controlBad: 0,
    interval: null,
    canaryFrames: 22,
    controlFrames: 100,
    framesNeeded: 100,
    eWorse: 1,
    eNotWorse: 90,
    threshold: 20,
  };
  expect(evidenceWords(verdict, 'safe', true)).toBe('reached: it goes on after 100 frames');
  expect(evidenceWords({ ...verdict, canaryFrames: 100 }, 'safe', true)).toBe('reached: it goes on');
  expect(evidenceWords(verdict, 'worse', true)).toBe('at 20 it rolls back');
  expect(evidenceWords(verdict, 'worse', false)).toBe('20 was not reached');
  expect(evidenceWords({ ...verdict, eWorse: 1760 }, 'worse', false)).toBe('reached: it was rolled back');
});
