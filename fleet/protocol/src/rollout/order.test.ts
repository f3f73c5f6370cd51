import { expect, test } from 'vitest';
import type { DeviceId } from '../ids.ts';
import { devicePlace, inOrder } from './order.ts';

const fleet = Array.from({ length: 1000 }, (_, i) => ({ device: `edge-${i}` as DeviceId }));

test('places are pinned: changing them would reshuffle running rollouts', () => {
  expect(devicePlace('salt', 'edge-1' as DeviceId)).toBe(0.7893723491579294);
});

test('places spread evenly, and differently for another salt', () => {
  for (const salt of ['a', 'b', '2026-01-01']) {
    const tenths = Array.from({ length: 10 }, () => 0);
    for (const { device } of fleet) tenths[Math.floor(devicePlace(salt, device) * 10)]!++;
    expect(Math.min(...tenths)).toBeGreaterThan(60);
  }
  const first = (salt: string) =>
    new Set(
      inOrder(salt, fleet)
        .slice(0, 100)
        .map(({ device }) => device),
    );
  const shared = [...first('a')].filter((device) => first('b').has(device));
  expect(shared.length).toBeLessThan(30);
});

test('the order does not depend on the order of the list', () => {
  expect(inOrder('a', fleet.toReversed())).toEqual(inOrder('a', fleet));
});
