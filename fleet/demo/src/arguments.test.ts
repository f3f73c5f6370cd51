import path from 'node:path';
import { expect, test } from 'vitest';
import { readArguments } from './arguments.ts';

test('what is not said is as usual', () => {
  const usual = { help: false, fresh: false, story: true, agents: 3, virtual: 12, port: 8080, data: path.resolve('.serin', 'demo') };
  expect(readArguments([])).toEqual(usual);
  expect(readArguments(['--fresh', '--no-story', '--agents', '1', '--virtual=0', '--port', '0', '--data', '/tmp/x'])).toEqual({
    ...usual,
    fresh: true,
    story: false,
    agents: 1,
    virtual: 0,
    port: 0,
    data: path.resolve('/tmp/x'),
  });
});

test.each([
  [['--agents', 'x'], '--agents is "x"; it must be a whole number from 0 to 16'],
  [['--agents', ''], '--agents is ""; it must be a whole number'],
  [['--virtual', '501'], '--virtual is "501"; it must be a whole number from 0 to 500'],
  [['--port', '-1'], '--port is "-1"'],
  [['--port'], '--port is ""; it must be given a value'],
  [['--fresh=no'], '--fresh is "no"; it must be given without a value'],
  [['--colour'], '--colour is ""; it must be a known flag'],
  [['extra'], 'argument is "extra"; it must be a flag'],
  [['--fresh', '--data', ''], '--data is ""; it must be a path'],
])('%j is refused in one line that names the setting, the value and the rule', (args, words) => {
  expect(() => readArguments(args)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', detail: expect.stringContaining(words) }));
});
