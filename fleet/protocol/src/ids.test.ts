import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bootId, deviceId, digest, fleetId, keyId, modelName, transferId } from './ids.ts';

describe.each([
  ['deviceId', deviceId],
  ['fleetId', fleetId],
  ['modelName', modelName],
  ['transferId', transferId],
  ['bootId', bootId],
  ['digest', digest],
  ['keyId', keyId],
] as const)('%s', (_, schema) => {
  test('an accepted id is one topic level and one harmless file name', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ maxLength: 70 }), fc.string({ unit: 'binary', maxLength: 8 }), fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/)), (text) => {
        if (!schema.safeParse(text).success) return;
        expect(text).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
      }),
      { numRuns: 500 },
    );
  });

  test.each(['', '.', '..', 'a/b', 'a+', '#', '$SYS', 'a b', 'a\n', 'a\0', 'ä', 'x'.repeat(65), '-rf/'])('%j is refused', (text) => {
    expect(schema.safeParse(text).success).toBe(false);
  });
});

test.each(['-x', '_x', 'Cam', '-'])('a name never begins like an option, and has no capitals: %s', (text) => {
  expect(deviceId.safeParse(text).success).toBe(false);
});
