import { readFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { configDocs, configHelp, readConfig } from './config.ts';

const refusal = (args: string[], env: Record<string, string> = {}): { code: string; detail: string } => {
  try {
    readConfig(args, env);
  } catch (error) {
    return error as { code: string; detail: string };
  }
  throw new Error('accepted');
};

test('nothing said gives a frozen, loopback, secure server', () => {
  const config = readConfig([], {});
  expect(config).toMatchObject({ httpHost: '127.0.0.1', httpPort: 8080, devicePort: 8443, mqttPort: 8883, insecure: false, demo: false, samplesPerWindow: 0 });
  expect(config.databaseUrl).toBeUndefined();
  expect(Object.isFrozen(config)).toBe(true);
});

test('a flag wins over the environment, and both spell the same settings', () => {
  const env = { SERIN_HTTP_PORT: '1', DATABASE_URL: 'postgres://u:p@h/db', SERIN_PUBLIC_HOSTS: 'a.example, 10.0.0.1' };
  expect(readConfig(['--http-port', '2', '--insecure'], env)).toMatchObject({
    httpPort: 2,
    insecure: true,
    databaseUrl: 'postgres://u:p@h/db',
    publicHosts: ['a.example', '10.0.0.1'],
  });
  expect(readConfig(['--demo=false'], { SERIN_DEMO: 'true' }).demo).toBe(false);
});

test('clocks of rollouts follow the window', () => {
  expect(readConfig([], { SERIN_WINDOW_MS: '2000' }).rolloutPolicy.bakeMs).toBe(10_000);
  expect(readConfig(['--rollout-bake-ms', '5000'], { SERIN_WINDOW_MS: '2000' }).rolloutPolicy.bakeMs).toBe(5000);
});

test.each([
  [['--http-port', '80x'], {}, '--http-port is "80x"; it must be a whole number from 0 to 65535'],
  [[], { SERIN_HTTP_PORT: '70000' }, 'SERIN_HTTP_PORT is "70000"; it must be a whole number from 0 to 65535'],
  [['--htp-port', '1'], {}, '--htp-port is ""; it must be a known flag; see --help'],
  [[], { SERIN_HTP_PORT: '1' }, 'SERIN_HTP_PORT is "1"; it must be a known setting; see --help'],
  [[], { SERIN_DEMO: 'yes' }, 'SERIN_DEMO is "yes"; it must be true or false'],
  [[], { MQTT_URL: 'http://x' }, 'MQTT_URL is "…"; it must be an address that begins with mqtt:// or mqtts://'],
  [['--fleet', 'Plant 1'], {}, '--fleet is "Plant 1"; it must be lower-case letters, digits, - and _, beginning with a letter or digit'],
  [['--http-port'], {}, '--http-port is ""; it must be a whole number from 0 to 65535'],
  [['serve'], {}, 'argument is "serve"; it must be a flag; see --help'],
] as [string[], Record<string, string>, string][])('%j %j is one line that names the key, the value and the rule', (args, env, detail) => {
  expect(refusal(args, env)).toMatchObject({ code: 'CONFIG_INVALID', detail });
});

test('a secret in an address is not repeated', () => {
  expect(refusal([], { DATABASE_URL: 'mysql://root:hunter2@h' }).detail).not.toContain('hunter2');
});

test('whatever the arguments, the answer is a config or CONFIG_INVALID', () => {
  const word = fc.oneof(fc.string(), fc.constantFrom('--data', '--http-port', '--insecure', '--', '-h', '--demo=', '--windows', '=', '--no-demo', '5', 'true'));
  fc.assert(
    fc.property(
      fc.array(word, { maxLength: 6 }),
      fc.dictionary(fc.constantFrom('SERIN_DATA', 'SERIN_WINDOW_MS', 'SERIN_X', 'MQTT_URL', 'PATH'), fc.string()),
      (args, env) => {
        try {
          expect(Object.isFrozen(readConfig(args, env))).toBe(true);
        } catch (error) {
          expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
        }
      },
    ),
  );
});

test('the docs page is the table of settings', async () => {
  const page = path.resolve(import.meta.dirname, '../../docs/config.md');
  expect(await readFile(page, 'utf8')).toBe(configDocs());
  expect(configHelp()).toContain('--mqtt-public-url');
});
