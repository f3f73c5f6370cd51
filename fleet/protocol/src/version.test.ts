import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compareVersions, productVersion, protocolHistory, protocolVersion } from './version.ts';

const parts = fc.tuple(fc.nat(20), fc.nat(20), fc.nat(20));
const write = (numbers: readonly number[]) => numbers.join('.');

describe('the order of versions', () => {
  test('is that of their numbers, not of their letters', () => {
    expect(compareVersions('0.10.0', '0.9.9')).toBeGreaterThan(0);
    fc.assert(
      fc.property(parts, parts, (left, right) => {
        const weight = ([major, minor, patch]: readonly [number, number, number]) => major * 10_000 + minor * 100 + patch;
        expect(Math.sign(compareVersions(write(left), write(right)))).toBe(Math.sign(weight(left) - weight(right)));
      }),
    );
  });

  test('turns around, and equals itself only', () => {
    fc.assert(
      fc.property(parts, parts, (left, right) => {
        expect(compareVersions(write(left), write(right)) + compareVersions(write(right), write(left))).toBe(0);
        expect(compareVersions(write(left), write(left))).toBe(0);
      }),
    );
  });
});

test('every protocol version has its line of history', () => {
  expect(protocolHistory.map((line) => Number.parseInt(line, 10))).toEqual(Array.from({ length: protocolVersion }, (_, index) => index + 1));
  expect(productVersion).toMatch(/^\d+\.\d+\.\d+$/);
});
