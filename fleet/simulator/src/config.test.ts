import { expect, test } from 'vitest';
import { deviceName, readConfig } from './config.ts';

test('flags are read, with defaults for what is not said', () => {
  expect(readConfig(['--data', '/tmp/x', '--devices', '3', '--fps', '0.5', '--join', 'https://localhost:8443'])).toMatchObject({
    data: '/tmp/x',
    devices: 3,
    fps: 0.5,
    join: 'https://localhost:8443',
    prefix: 'sim-',
  });
});

test.each([
  [[], '--data is missing; it must be a path'],
  [['--data', 'x', '--devices', '0'], '--devices is "0"; it must be a whole number from 1 to 1000'],
  [['--data', 'x', '--devices', 'many'], '--devices is "many"; it must be a whole number from 1 to 1000'],
  [['--data', 'x', '--devices'], '--devices is ""; it must be given a value'],
  [['--data', 'x', '--fps', '1000'], '--fps is "1000"; it must be a number from 0.01 to 60'],
  [['--data', 'x', '--site', ''], '--site is ""; it must be 1 to 64 characters'],
  [['--data', 'x', '--log-level', 'loud'], '--log-level is "loud"; it must be one of '],
  [['--data', 'x', '--join', 'http://localhost'], '--join is "http://localhost"; it must be an address like https://'],
  [['--data', 'x', '--prefix', 'Sim/'], '--prefix is "Sim/"; it must be lower-case letters'],
  [['--data', 'x', '--colour', 'red'], '--colour is ""; it must be a known flag'],
  [['--data', 'x', 'extra'], 'argument is "extra"; it must be a flag'],
])('%j is refused in one line that names the setting', (args, words) => {
  expect(() => readConfig(args)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', detail: expect.stringContaining(words) }));
});

test('names count from one', () => {
  expect(deviceName('sim-', 0)).toBe('sim-1');
});
