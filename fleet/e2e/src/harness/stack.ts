import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createApiClient, type ApiClient } from '@serin/protocol/api/client';
import type { Device, Rollout } from '@serin/protocol/api/resources';
import { deviceId, modelName } from '@serin/protocol/ids';
import { bareEnvironment, programs, startProgram, type Running, type ServerReady } from '@serin/demo/processes';
import { openFeed, type Feed } from './feed.ts';
import { freePort, startMosquitto, startPostgres, type Part } from './parts.ts';

export type StackKind = 'embedded' | 'external';
export const picker = modelName.parse('picker');

export interface Stack {
  readonly kind: StackKind;
  readonly folder: string;
  readonly api: ApiClient;
  readonly feed: Feed;
  /** The parts of the external stack, to be stopped and started by tests. */
  readonly parts: { database?: Part; broker?: Part };
  server(): Running<ServerReady>;
  startServer(): Promise<void>;
  startAgent(name: string, options?: { fps?: number; data?: string; httpPort?: number }): Promise<Running<{ device: string }>>;
  startVirtual(count: number): Promise<Running<unknown>>;
  device(name: string): Promise<Device>;
  devices(): Promise<Device[]>;
  setLight(light: { level: number; warmth: number }): void;
  logOf(program: string): string;
  stop(): Promise<void>;
}

/** Fast clocks, so that minutes pass in seconds; everything else is the product as it ships. */
const fastSettings = { SERIN_WINDOW_MS: '1000', SERIN_DEMO: 'true', SERIN_LOG_LEVEL: 'info' };

export async function startStack(kind: StackKind, settings: Record<string, string> = {}, { logFile }: { logFile?: string } = {}): Promise<Stack> {
  const folder = mkdtempSync(path.join(tmpdir(), 'serin-e2e-'));
  const scene = path.join(folder, 'scene.json');
  const serverLog = logFile ?? path.join(folder, 'server.log');
  const serverData = path.join(folder, 'server');
  const running = new Set<Running<unknown>>();
  const parts: Stack['parts'] = {};
  const setLight = (light: { level: number; warmth: number }) => writeFileSync(scene, JSON.stringify(light));
  setLight({ level: 1, warmth: 0 });

  const [httpPort, devicePort, mqttPort] = [await freePort(), await freePort(), await freePort()];
  const env: Record<string, string> = {
    ...fastSettings,
    SERIN_DATA: serverData,
    SERIN_DEMO_SCENE: scene,
    SERIN_HTTP_PORT: String(httpPort),
    SERIN_DEVICE_PORT: String(devicePort),
    SERIN_MQTT_PORT: String(mqttPort),
    ...settings,
  };
  const stopParts = async (): Promise<void> => {
    await parts.broker?.stop();
    await parts.database?.stop();
  };
  try {
    if (kind === 'external') {
      parts.database = await startPostgres(folder);
      const brokerFolder = path.join(folder, 'mosquitto');
      mkdirSync(brokerFolder);
      execFileSync(process.execPath, [programs.server, 'mosquitto-config', '--data', serverData, '--mqtt-port', String(mqttPort), '--out', brokerFolder], {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: bareEnvironment(),
      });
      parts.broker = await startMosquitto(brokerFolder, mqttPort, { conf: path.join(brokerFolder, 'mosquitto.conf') });
      env.DATABASE_URL = parts.database.url;
      env.MQTT_URL = parts.broker.url;
    }
  } catch (error) {
    await stopParts();
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }

  let server: Running<ServerReady> | undefined;
  let current: { api: ApiClient; feed: Feed } | undefined;
  const track = <Ready>(program: Running<Ready>): Running<Ready> => {
    running.add(program);
    void program.ended.then(() => running.delete(program));
    return program;
  };
  const present = () => {
    if (server === undefined || current === undefined) throw new Error('the server has not been started');
    return { server, ...current };
  };

  async function startServer(): Promise<void> {
    server = track(await startProgram<ServerReady>({ program: 'server', args: [], env, logFile: serverLog }));
    current?.feed.close();
    const { httpUrl, adminToken } = server.ready;
    current = { api: createApiClient({ baseUrl: httpUrl, fetch, token: adminToken }), feed: openFeed(httpUrl, adminToken) };
  }

  const api: ApiClient = (name, ...args) => present().api(name, ...args);
  const joined = new Set<string>();
  async function token(name: string): Promise<string> {
    const reply = await api('createEnrolment', { body: { name: deviceId.parse(name), minutes: 10 } });
    return reply.token;
  }

  const stack: Stack = {
    kind,
    folder,
    api,
    get feed() {
      return present().feed;
    },
    parts,
    server: () => present().server,
    startServer,
    setLight,
    async startAgent(name, { fps = 10, data = path.join(folder, 'agents', name), httpPort } = {}) {
      const args = ['--data', data, '--name', name, '--site', 'hall-a', '--fps', String(fps), '--scene', scene];
      if (httpPort !== undefined) args.push('--http-port', String(httpPort));
      if (!joined.has(name)) {
        mkdirSync(data, { recursive: true });
        const file = path.join(data, 'join-token');
        writeFileSync(file, await token(name), { mode: 0o600 });
        args.push('--join', present().server.ready.deviceUrl, '--token-file', file);
      }
      const agent = track(await startProgram<{ device: string }>({ program: 'agent', args, logFile: path.join(folder, `${name}.log`) }));
      joined.add(name);
      return agent;
    },
    async startVirtual(count) {
      const data = path.join(folder, 'virtual');
      const args = ['--devices', String(count), '--data', data, '--prefix', 'sim-', '--site', 'hall-b', '--fps', '4', '--scene', scene];
      if (!joined.has('virtual')) {
        mkdirSync(data, { recursive: true });
        const tokens: string[] = [];
        for (let index = 0; index < count; index++) tokens.push(await token(`sim-${index + 1}`));
        const file = path.join(data, 'join-tokens');
        writeFileSync(file, tokens.join('\n'), { mode: 0o600 });
        args.push('--join', present().server.ready.deviceUrl, '--tokens-file', file);
      }
      const simulator = track(await startProgram({ program: 'simulator', args, logFile: path.join(folder, 'virtual.log') }));
      joined.add('virtual');
      return simulator;
    },
    device: (name) => api('getDevice', { params: { id: deviceId.parse(name) } }),
    devices: async () => (await api('listDevices', { query: { limit: '500' } })).items,
    logOf: (program) => readFileSync(program === 'server' ? serverLog : path.join(folder, `${program}.log`), 'utf8'),
    async stop() {
      current?.feed.close();
      const devices = [...running].filter((program) => program !== server);
      await Promise.all(devices.map((program) => program.stop()));
      await server?.stop();
      await stopParts();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  try {
    await startServer();
  } catch (error) {
    process.stderr.write(`${stack.logOf('server').split('\n').slice(-20).join('\n')}\n`);
    await stack.stop();
    throw error;
  }
  return stack;
}

/** The version a device answers frames with. */
export const activeVersion = (device: Device): number | undefined => device.models.find(({ model }) => model === picker)?.version ?? undefined;

/** Trains the first version and waits until every device that is there infers with it. */
export async function bringUp(stack: Stack, devices: number): Promise<void> {
  await stack.api('startJob', { body: { kind: 'train', model: picker, seed: 7, rollout: true } });
  await stack.feed.until(
    `${devices} devices infer version 1`,
    async () => (await stack.devices()).filter((device) => activeVersion(device) === 1 && device.live !== null).length === devices,
    180_000,
  );
  await untilFinished(stack, 1);
}

const ends = new Set(['COMPLETED', 'ROLLED_BACK', 'ROLLBACK_INCOMPLETE', 'SUPERSEDED']);

/** The rollout of a version, once it has ended. */
export async function untilFinished(stack: Stack, version: number, limitMs = 180_000): Promise<Rollout> {
  return stack.feed.until(
    `the rollout of version ${version} ends`,
    async () => (await stack.api('listRollouts', { query: { model: picker } })).items.find((item) => item.version === version && ends.has(item.status)),
    limitMs,
  );
}
