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
  [[], '--data is missing'],
  [['--data', 'x', '--devices', '0'], '--devices is "0"'],
  [['--data', 'x', '--devices', 'many'], '--devices is "many"'],
  [['--data', 'x', '--join', 'http://localhost'], '--join is "http://localhost"'],
  [['--data', 'x', '--prefix', 'Sim/'], '--prefix is "Sim/"'],
  [['--data', 'x', '--colour', 'red'], '--colour'],
])('%j is refused in one line that names the setting', (args, words) => {
  expect(() => readConfig(args)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', detail: expect.stringContaining(words) }));
});

test('names count from one', () => {
  expect(deviceName('sim-', 0)).toBe('sim-1');
});
