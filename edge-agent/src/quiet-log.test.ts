import { expect, test } from 'vitest';
import { createQuietLog } from './quiet-log.ts';

test('each kind is said once a minute, with the number it stands for', () => {
  let now = 0;
  const said: [string, number][] = [];
  const quiet = createQuietLog(() => now);
  const complain = (kind: string): void => quiet(kind, (count) => said.push([kind, count]));
  complain('a');
  complain('a');
  complain('b');
  now = 59_999;
  complain('a');
  now = 60_000;
  complain('a');
  complain('b');
  complain('a');
  expect(said).toEqual([
    ['a', 1],
    ['b', 1],
    ['a', 3],
    ['b', 1],
  ]);
});

test('a peer that invents kinds is not listened to for ever', () => {
  let said = 0;
  const quiet = createQuietLog(() => 0);
  for (let kind = 0; kind < 10_000; kind++) quiet(`kind ${kind}`, () => said++);
  expect(said).toBe(100);
});
