import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { formatTable } from './programs.mjs';

const scripts = path.dirname(fileURLToPath(import.meta.url));
const run = (script, ...args) => spawnSync(process.execPath, [path.join(scripts, script), ...args], { encoding: 'utf8' });

test.each([
  ['bench.mjs', ['nosuch'], 'there is no bench named "nosuch"'],
  ['bench.mjs', [], 'which one?'],
  ['bench.mjs', ['loop', '--slow'], 'unknown option --slow'],
  ['bench.mjs', ['constructor'], 'there is no bench named "constructor"'],
  ['torture.mjs', ['loop', '--seed', '-1'], '--seed wants a whole number'],
  ['torture.mjs', ['loop', 'other'], 'one name at a time'],
])('%s %j ends with 2 and says why', (script, args, words) => {
  const { status, stdout, stderr } = run(script, ...args);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toContain(words);
  expect(stderr).toContain('--list');
});

test('a table has its numbers to the right', () => {
  expect(
    formatTable([
      ['what', 'ms'],
      ['swap', '7'],
      ['download', '1234'],
    ]),
  ).toBe(['what        ms', 'swap         7', 'download  1234'].join('\n'));
});
