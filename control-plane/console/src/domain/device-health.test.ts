import { describe, expect, test } from 'vitest';
import { countHealth, deviceHealth, devicesChangedBy, healthReason, groupBySite, unwellWords, versionShares } from './device-health.ts';
import { makeDevice, makeDeviceModel } from './testing.ts';

const rejected = { version: 5, outcome: 'REJECTED' as const, code: 'BUNDLE_SIGNATURE_INVALID', detail: null };

const live = (badShare: number) => ({ at: 0, inferencesPerS: 2, p50Ms: 1, p95Ms: 1, badShare, rightShare: null, meanConfidence: null });

describe('the health of a device', () => {
  test.each([
    ['one that runs what it should', makeDevice('a'), 'online'],
    ['one that installs', makeDevice('a', { models: [makeDeviceModel({ phase: 'DOWNLOADING', desiredVersion: 4 })] }), 'updating'],
    ['one that refused the version it is still wanted to run', makeDevice('a', { models: [makeDeviceModel({ desiredVersion: 5, last: rejected })] }), 'failed'],
    ['one whose refused order was withdrawn since', makeDevice('a', { models: [makeDeviceModel({ desiredVersion: 3, last: rejected })] }), 'online'],
    ['one that waits for a version it has not tried', makeDevice('a', { models: [makeDeviceModel({ desiredVersion: 6, last: rejected })] }), 'online'],
    ['one with a fault', makeDevice('a', { error: { code: 'INFERENCE_CRASHED', detail: '' } }), 'failed'],
    ['one that drifts', makeDevice('a', { drift: { statistic: 'brightness', effect: 0.4, alerting: true } }), 'drifting'],
    ['one with an effect but no alert', makeDevice('a', { drift: { statistic: 'brightness', effect: 0.4, alerting: false } }), 'online'],
    ['one that drifts and is wrong', makeDevice('a', { live: live(0.5), drift: { statistic: 'brightness', effect: 1, alerting: true } }), 'drifting'],
    ['one that is wrong half of the time', makeDevice('a', { live: live(0.5) }), 'degraded'],
    ['one that is wrong now and then', makeDevice('a', { live: live(0.15) }), 'online'],
    ['one that waits for its first version', makeDevice('a', { models: [] }), 'empty'],
    ['one that is gone, whatever it said last', makeDevice('a', { online: false, error: { code: 'INFERENCE_CRASHED', detail: '' } }), 'offline'],
    ['one that was revoked', makeDevice('a', { state: 'REVOKED', online: true }), 'revoked'],
  ])('%s', (_, device, health) => {
    expect(deviceHealth(device)).toBe(health);
  });
});

test('what is not simply healthy says why', () => {
  expect(healthReason(makeDevice('a'))).toBeNull();
  expect(healthReason(makeDevice('a', { models: [makeDeviceModel({ desiredVersion: 5, last: rejected })] }))).toBe('it refused v5, which it is wanted to run');
  expect(healthReason(makeDevice('a', { error: { code: 'INFERENCE_CRASHED', detail: '' } }))).toBeNull();
  expect(healthReason(makeDevice('a', { live: live(0.35), drift: { statistic: 'brightness', effect: 1, alerting: true } }))).toBe(
    'brightness moved most, 35% of its latest frames are bad',
  );
  expect(healthReason(makeDevice('a', { live: live(0.5) }))).toBe('50% of its latest frames are bad');
  expect(healthReason(makeDevice('a', { models: [] }))).toBe('it waits for its first version');
});

test('devices stand under their site in the order people count', () => {
  const groups = groupBySite([makeDevice('sim-10', { site: 'b' }), makeDevice('sim-2', { site: 'b' }), makeDevice('cam-1', { site: 'a' })]);
  expect(groups.map(({ site, devices }) => [site, devices.map(({ id }) => id as string)])).toEqual([
    ['a', ['cam-1']],
    ['b', ['sim-2', 'sim-10']],
  ]);
});

test('shares of versions leave out the revoked and put the newest first', () => {
  const devices = [
    makeDevice('a', { models: [makeDeviceModel({ version: 3 })] }),
    makeDevice('b', { models: [makeDeviceModel({ version: 4 })] }),
    makeDevice('c', { models: [] }),
    makeDevice('d', { models: [makeDeviceModel({ version: 3 })] }),
    makeDevice('e', { state: 'REVOKED' }),
  ];
  expect(versionShares(devices)).toEqual([
    { version: 4, devices: 1, share: 0.25 },
    { version: 3, devices: 2, share: 0.5 },
    { version: null, devices: 1, share: 0.25 },
  ]);
  expect(versionShares([])).toEqual([]);
});

test('every device is counted once', () => {
  const counts = countHealth([makeDevice('a'), makeDevice('b', { online: false }), makeDevice('c', { state: 'REVOKED' })]);
  expect(counts).toEqual({ failed: 0, degraded: 0, drifting: 0, updating: 0, empty: 0, online: 1, offline: 1, revoked: 1 });
});

test('how many are not well is said in one line', () => {
  expect(unwellWords([makeDevice('a'), makeDevice('b', { online: false })])).toBeNull();
  expect(unwellWords([makeDevice('a', { live: live(0.5) }), makeDevice('b', { live: live(1) }), makeDevice('c', { error: { code: 'X', detail: '' } })])).toBe(
    '1 device failing, 2 degraded',
  );
});

test('a rollout changes the devices in service that run something else', () => {
  const devices = [
    makeDevice('same', { models: [makeDeviceModel({ version: 4 })] }),
    makeDevice('other'),
    makeDevice('fresh', { models: [] }),
    makeDevice('revoked', { state: 'REVOKED' }),
    makeDevice('tab', { class: 'browser' }),
  ];
  expect(devicesChangedBy(devices, 'picker', 4).map(({ id }) => id as string)).toEqual(['fresh', 'other']);
});
