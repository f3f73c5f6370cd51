import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { createApiClient, type ApiClient } from '@serin/protocol/api/client';
import { deviceId } from '@serin/protocol/ids';
import { startProgram, type Running, type ServerReady } from './processes.ts';

export interface FleetOptions {
  data: string;
  port: number;
  agents: number;
  virtual: number;
  say: (line: string) => void;
  signal: AbortSignal;
}

export interface Fleet {
  server: Running<ServerReady>;
  /** Resolves when a program ended that should not have. */
  lost: Promise<void>;
  stop(): Promise<void>;
}

/** The demo's clock is compressed: windows of two seconds instead of five minutes. */
const demoSettings = { SERIN_WINDOW_MS: '2000', SERIN_ROLLOUT_BAKE_MS: '4000', SERIN_DEMO: 'true' };
/** The parts a person may bring; nothing else of the environment reaches the server. */
const ownParts = ['DATABASE_URL', 'MQTT_URL'] as const;
const designLight = { level: 1, warmth: 0 };

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });

/** The port asked for, or 0 (any free one) when somebody has it. */
async function choosePort(port: number, what: string, say: (line: string) => void): Promise<number> {
  if (port === 0 || (await isFree(port))) return port;
  say(`port ${port} (${what}) is taken; using a free one instead`);
  return 0;
}

async function joinToken(api: ApiClient, name: string): Promise<{ token: string; joinUrl: string }> {
  const id = deviceId.parse(name);
  return api('createEnrolment', { body: { name: id, minutes: 10 } });
}

function writeSecret(file: string, text: string): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text, { mode: 0o600 });
}

/** Starts the server, trains the first version if there is none, and joins the devices meanwhile. */
export async function startFleet({ data, port, agents, virtual, say, signal }: FleetOptions): Promise<Fleet> {
  const running: Running<unknown>[] = [];
  let isStopping = false;
  let reportLost: () => void = () => {};
  const lost = new Promise<void>((resolve) => {
    reportLost = resolve;
  });
  const watch = <Ready>(name: string, program: Running<Ready>): Running<Ready> => {
    running.push(program);
    void program.ended.then((code) => {
      if (isStopping) return;
      say(`${name} ended by itself with code ${code}; its log is in ${data}`);
      if (name === 'the control plane') reportLost();
    });
    return program;
  };
  const stop = async (): Promise<void> => {
    isStopping = true;
    const [server, ...devices] = running;
    await Promise.all(devices.map((device) => device.stop()));
    await server?.stop(15_000);
  };

  try {
    const scene = path.join(data, 'scene.json');
    if (!existsSync(scene)) writeFileSync(scene, JSON.stringify(designLight));
    say('starting the control plane, with its database and its broker');
    const server = watch(
      'the control plane',
      await startProgram<ServerReady>({
        program: 'server',
        signal,
        args: [],
        env: {
          ...demoSettings,
          ...Object.fromEntries(ownParts.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]))),
          SERIN_DATA: path.join(data, 'server'),
          SERIN_DEMO_SCENE: scene,
          SERIN_HTTP_PORT: String(await choosePort(port, 'console', say)),
          SERIN_DEVICE_PORT: String(await choosePort(8443, 'devices', say)),
          SERIN_MQTT_PORT: String(await choosePort(8883, 'MQTT', say)),
        },
        logFile: path.join(data, 'server.log'),
      }),
    );
    say('the console is ready; this link signs you in, once:');
    say(`  open ${server.ready.signInUrl}`);
    signal.throwIfAborted();

    const api = createApiClient({ baseUrl: server.ready.httpUrl, fetch, token: server.ready.adminToken });
    const { items } = await api('listModels');
    if (!items.some((model) => model.champion !== null)) {
      say('training the first version of "picker" on rendered bins: where each part lies, which one it is, how it is turned');
      const { items: jobs } = await api('listJobs', { query: {} });
      const isTraining = jobs.some((job) => job.kind === 'train' && (job.status === 'QUEUED' || job.status === 'RUNNING'));
      const body = { kind: 'train', model: 'picker', seed: 1, rollout: true } as const;
      if (!isTraining) await api('startJob', { body });
    }

    const joined = async (name: string, folder: string): Promise<string[]> => {
      if (existsSync(path.join(folder, 'joined'))) return [];
      const { token } = await joinToken(api, name);
      const file = path.join(folder, 'join-token');
      writeSecret(file, token);
      return ['--join', server.ready.deviceUrl, '--token-file', file];
    };
    say(`joining ${agents} agents and ${virtual} virtual devices`);
    const startAgent = async (index: number): Promise<void> => {
      const name = `cam-${index + 1}`;
      const folder = path.join(data, 'agents', name);
      const join = await joined(name, folder);
      const args = ['--data', folder, ...join, '--name', name, '--site', 'hall-a', '--fps', '10', '--scene', scene];
      watch(`agent ${name}`, await startProgram({ program: 'agent', args, signal, logFile: path.join(data, `${name}.log`) }));
      writeFileSync(path.join(folder, 'joined'), '');
    };
    const startVirtual = async (): Promise<void> => {
      const folder = path.join(data, 'virtual');
      const args = ['--devices', String(virtual), '--data', folder, '--prefix', 'sim-', '--site', 'hall-b', '--fps', '2', '--scene', scene];
      if (!existsSync(path.join(folder, 'joined'))) {
        const tokens: string[] = [];
        for (let index = 0; index < virtual; index++) tokens.push((await joinToken(api, `sim-${index + 1}`)).token);
        const file = path.join(folder, 'join-tokens');
        writeSecret(file, tokens.join('\n'));
        args.push('--join', server.ready.deviceUrl, '--tokens-file', file);
      }
      watch('the virtual devices', await startProgram({ program: 'simulator', args, signal, logFile: path.join(data, 'virtual.log') }));
      writeFileSync(path.join(folder, 'joined'), '');
    };
    const starts = Array.from({ length: agents }, (_, index) => startAgent(index));
    if (virtual > 0) starts.push(startVirtual());
    await Promise.all(starts);
    signal.throwIfAborted();

    say('waiting for every device to infer');
    await untilLive(api, agents + virtual, say, signal);
    return { server, lost, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Says how far the training is, then how many devices infer, until all do. */
async function untilLive(api: ApiClient, wanted: number, say: (line: string) => void, signal: AbortSignal): Promise<void> {
  let said = '';
  for (;;) {
    signal.throwIfAborted();
    const [{ items: devices }, { items: jobs }] = await Promise.all([api('listDevices', { query: { limit: '500' } }), api('listJobs', { query: {} })]);
    const live = devices.filter((device) => device.online && device.live !== null).length;
    if (live >= wanted) {
      const overview = await api('getOverview');
      say(`${live} devices infer live: ${overview.inferencesPerS.toFixed(0)} inferences a second`);
      return;
    }
    const job = jobs.find(({ status }) => status === 'RUNNING' || status === 'QUEUED');
    const failed = jobs.find(({ kind }) => kind === 'train');
    if (job === undefined && failed?.status === 'FAILED') say(`the training failed: ${failed.error?.detail ?? 'see the server log'}`);
    const infer = `${live} of ${wanted} devices infer`;
    // A training tells every quarter of its way, not every second.
    const step = job === undefined ? infer : `${job.stage} ${Math.floor(job.fraction * 4)} ${infer}`;
    if (step !== said) say(job === undefined ? infer : `${job.stage || 'queued'}: ${job.message}; ${infer}`);
    said = step;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}
