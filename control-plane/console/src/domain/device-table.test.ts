import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Device } from '@serin/protocol/api/resources';
import { filterDevices, sortDevices, sortKeys, stateFilters } from './device-table.ts';
import { makeDevice, makeDeviceModel } from './testing.ts';

const live = (inferencesPerS: number, p95Ms: number | null): Device['live'] => ({
  at: 0,
  inferencesPerS,
  p50Ms: null,
  p95Ms,
  badShare: null,
  rightShare: null,
  meanConfidence: null,
});

const someDevice = fc
  .record({
    id: fc.stringMatching(/^[a-z][a-z0-9-]{0,6}$/),
    site: fc.constantFrom('hall-a', 'hall-b', ''),
    online: fc.boolean(),
    version: fc.option(fc.integer({ min: 1, max: 4 })),
    p95: fc.option(fc.double({ min: 0, max: 100, noNaN: true })),
    seen: fc.option(fc.nat()),
  })
  .map(({ id, site, online, version, p95, seen }) =>
    makeDevice(id, { site, online, lastSeenAt: seen, models: [makeDeviceModel({ version })], live: p95 === null ? null : live(1, p95) }),
  );
const someDevices = fc.uniqueArray(someDevice, { selector: ({ id }) => id, maxLength: 20 });

const ids = (devices: readonly Device[]): string[] => devices.map(({ id }) => id);

describe('sorting', () => {
  test('neither loses nor invents a device, and does not depend on the order before', () => {
    fc.assert(
      fc.property(someDevices, fc.constantFrom(...sortKeys), fc.boolean(), (devices, key, desc) => {
        const sorted = sortDevices(devices, key, desc);
        expect(ids(sorted).toSorted()).toEqual(ids(devices).toSorted());
        expect(sortDevices(devices.toReversed(), key, desc)).toEqual(sorted);
      }),
    );
  });

  test('keeps devices without a figure last, up or down', () => {
    const devices = [makeDevice('none'), makeDevice('slow', { live: live(1, 9) }), makeDevice('fast', { live: live(1, 2) })];
    expect(ids(sortDevices(devices, 'p95', false))).toEqual(['fast', 'slow', 'none']);
    expect(ids(sortDevices(devices, 'p95', true))).toEqual(['slow', 'fast', 'none']);
  });

  test('puts the worst health first', () => {
    const devices = [makeDevice('well'), makeDevice('gone', { online: false }), makeDevice('broken', { error: { code: 'X', detail: '' } })];
    expect(ids(sortDevices(devices, 'health', false))).toEqual(['broken', 'well', 'gone']);
  });
});

describe('filtering', () => {
  const devices = [
    makeDevice('cam-1', { drift: { statistic: 'brightness', effect: 1, alerting: true } }),
    makeDevice('cam-2', { online: false }),
    makeDevice('sim-1', { site: 'hall-b', models: [makeDeviceModel({ version: null })] }),
    makeDevice('sim-2', { site: 'hall-b' }),
  ];

  test.each([
    [{}, ['cam-1', 'cam-2', 'sim-1', 'sim-2']],
    [{ q: ' CAM ' }, ['cam-1', 'cam-2']],
    [{ q: 'hall-b' }, ['sim-1', 'sim-2']],
    [{ state: 'online' as const }, ['cam-1', 'sim-1', 'sim-2']],
    [{ state: 'healthy' as const }, ['sim-2']],
    [{ state: 'empty' as const }, ['sim-1']],
    [{ state: 'drifting' as const }, ['cam-1']],
    [{ state: 'offline' as const }, ['cam-2']],
    [{ version: '3' }, ['cam-1', 'cam-2', 'sim-2']],
    [{ version: 'none' }, ['sim-1']],
    [{ site: 'hall-a', state: 'revoked' as const }, []],
  ])('%j', (query, expected) => {
    expect(ids(filterDevices(devices, query))).toEqual(expected);
  });

  test('by state: every device that is neither connected nor well matches exactly one other word', () => {
    const exclusive = stateFilters.filter((state) => state !== 'online');
    fc.assert(
      fc.property(
        someDevices,
        (all) =>
          exclusive
            .flatMap((state) => ids(filterDevices(all, { state })))
            .toSorted()
            .join() === ids(all).toSorted().join(),
      ),
    );
  });
});
