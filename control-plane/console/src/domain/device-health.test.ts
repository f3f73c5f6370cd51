import { describe, expect, test } from 'vitest';
import { countHealth, deviceHealth, devicesChangedBy, groupBySite, versionShares } from './device-health.ts';
import { makeDevice, makeDeviceModel } from './testing.ts';

const rejected = { version: 5, outcome: 'REJECTED' as const, code: 'BUNDLE_SIGNATURE_INVALID', detail: null };

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
    ['one that is gone, whatever it said last', makeDevice('a', { online: false, error: { code: 'INFERENCE_CRASHED', detail: '' } }), 'offline'],
    ['one that was revoked', makeDevice('a', { state: 'REVOKED', online: true }), 'revoked'],
  ])('%s', (_, device, health) => {
    expect(deviceHealth(device)).toBe(health);
  });
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
  expect(counts).toEqual({ failed: 0, drifting: 0, updating: 0, online: 1, offline: 1, revoked: 1 });
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
