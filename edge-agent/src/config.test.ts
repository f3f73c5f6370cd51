import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { configHelp, configPage, readConfig } from './config.ts';

const token = `SRN1.${'a'.repeat(64)}.${'b'.repeat(32)}`;
const lineOf = (args: string[], env: Record<string, string> = {}): string => {
  try {
    readConfig(args, env);
  } catch (error) {
    return (error as Error).message;
  }
  return 'accepted';
};

test('nothing said is enough', () => {
  expect(readConfig([], {})).toMatchObject({ data: path.resolve('.serin/agent'), fps: 10, variantPreference: undefined, candidatesMax: 3, logLevel: 'info' });
});

test('flags come before the environment, and the result is frozen', () => {
  const config = readConfig(['--fps', '2.5', '--name=cam-1', '--variant-preference', 'fp32'], {
    SERIN_AGENT_FPS: '7',
    SERIN_AGENT_SITE: 'hall-a',
    SERIN_DATA: 'x',
  });
  expect(config).toMatchObject({ fps: 2.5, name: 'cam-1', site: 'hall-a', variantPreference: ['fp32'] });
  expect(() => Object.assign(config, { fps: 1 })).toThrow(TypeError);
});

test.each([
  [['--fps', 'fast'], '--fps is "fast"; it must be a number from 0.1 to 240'],
  [['--fps'], '--fps is ""; it must be a number from 0.1 to 240'],
  [['--frames', '1'], '--frames is ""; it must be a known flag; see --help'],
  [['fast'], 'argument is "fast"; it must be a flag; see --help'],
  [['--name', 'Cam 1'], '--name is "Cam 1"; it must be lower-case letters, digits, - and _, beginning with a letter or digit, at most 63'],
  [
    ['--variant-preference', 'u8s8,u8s8'],
    '--variant-preference is "u8s8,u8s8"; it must be a comma-separated list of fp32, fp16, u8s8, u8u8, dyn8, w8, w4, each at most once',
  ],
  [['--candidates-max', '0'], '--candidates-max is "0"; it must be a whole number from 1 to 4'],
  [['--join', 'http://server', '--token', token], '--join is "http://server"; it must be an address like https://server:8443'],
  [['--join', 'https://server'], '--join is "https://server"; it must be given with --token-file, SERIN_JOIN_TOKEN or --token'],
  [['--http-port', '70000'], '--http-port is "70000"; it must be a whole number from 0 to 65535'],
  [['--spool-bytes-max', '1e9'], '--spool-bytes-max is "1e9"; it must be a whole number of bytes from 1048576 to 1099511627776'],
])('%j is one line with the key, the value and the rule', (args, line) => {
  expect(lineOf(args)).toBe(`A setting is unknown or malformed: ${line}`);
});

test('an unknown variable of the agent is a mistake worth saying; those of other programs are not', () => {
  expect(lineOf([], { SERIN_AGENT_FSP: '3' })).toContain('SERIN_AGENT_FSP is "3"; it must be a known setting');
  expect(lineOf([], { SERIN_AGENT_FPS: '-3' })).toContain('SERIN_AGENT_FPS is "-3"; it must be');
  expect(lineOf([], { SERIN_HTTP_PORT: '1', SERIN_AGENT_FPS: '' })).toBe('accepted');
});

test('a token is never repeated', () => {
  expect(lineOf(['--token', 'SRN1.secret'])).not.toContain('secret');
});

test('help names every setting with its flag and its variable', () => {
  for (const key of Object.keys(readConfig([], {}))) {
    const words = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    expect(configHelp()).toContain(`--${words} `);
    expect(configHelp()).toContain(key === 'token' ? 'SERIN_JOIN_TOKEN' : `SERIN_AGENT_${words.replaceAll('-', '_').toUpperCase()}`);
  }
});

test('the join token comes from a flag, a variable, a file or standard input', () => {
  const join = ['--join', 'https://server:8443'];
  expect(readConfig([...join, '--token', token], {}).token).toBe(token);
  expect(readConfig(join, { SERIN_JOIN_TOKEN: token }).token).toBe(token);
  expect(readConfig([...join, '--token-file', 'token.txt'], {}).tokenFile).toBe(path.resolve('token.txt'));
  expect(readConfig([...join, '--token-file', '-'], {}).tokenFile).toBe('-');
});

test('docs/agent.md is what the settings say', async () => {
  expect(await readFile(path.resolve(import.meta.dirname, '../../docs/agent.md'), 'utf8')).toBe(configPage());
});
