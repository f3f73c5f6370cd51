import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startProgram } from '@serin/demo/processes';
import { encode } from '@serin/protocol/codec';
import { bootId } from '@serin/protocol/ids';
import { packetBytesMax } from '@serin/protocol/limits';
import { down, serverStatus, up } from '@serin/protocol/topics';
import { isMissing } from './harness/missing.ts';
import { freePort, startMosquitto, startPostgres } from './harness/parts.ts';
import { joinRaw, type RawDevice } from './harness/raw-device.ts';
import { mountSmallDisk, type SmallDisk } from './harness/small-disk.ts';
import { activeVersion, picker, startStack, type Stack } from './harness/stack.ts';

const readText = (file: string): string => (existsSync(file) ? readFileSync(file, 'utf8') : '');
const isReady = async (stack: Stack): Promise<boolean> => (await fetch(`${stack.server().ready.httpUrl}/readyz`)).ok;
const metric = async (stack: Stack, name: string): Promise<number> => {
  const text = await (await fetch(`${stack.server().ready.httpUrl}/metrics`)).text();
  return Number(new RegExp(`^serin_${name} (\\d+)`, 'm').exec(text)?.[1]);
};
/** Log lines of the server about a device: how often each event and code was said. */
function said(stack: Stack, device: string): Map<string, number> {
  const lines = new Map<string, number>();
  for (const line of stack.logOf('server').split('\n')) {
    if (!line.startsWith('{')) continue;
    const { msg, code, deviceId, name } = JSON.parse(line) as Record<string, string | undefined>;
    if (deviceId !== device && name !== device) continue;
    const key = `${msg} ${code ?? ''}`.trim();
    lines.set(key, (lines.get(key) ?? 0) + 1);
  }
  return lines;
}
const acknowledgedAll = (stack: Stack, device: RawDevice, count: number) =>
  stack.feed.until(`${count} windows of ${device.id} are acknowledged`, async () => device.acknowledged.size === count, 60_000);

describe('what a hostile or broken device says', () => {
  let stack: Stack;
  let hostile: RawDevice;
  let victim: RawDevice;

  beforeAll(async () => {
    stack = await startStack('embedded');
    [hostile, victim] = [await joinRaw(stack, 'hostile'), await joinRaw(stack, 'victim')];
    await victim.sendWindows(0, 3);
    await acknowledgedAll(stack, victim, 3);
  });
  afterAll(async () => {
    await Promise.all([hostile?.stop(), victim?.stop()]);
    await stack?.stop();
  });

  test('garbage on its own topics is counted, logged once for each kind of fault, and changes nothing', async () => {
    const kinds = ['status', 'reported', 'tel', 'smp', 'get'] as const;
    const garbage = [new Uint8Array([0xff, 1, 2]), new TextEncoder().encode('{"v":1}'), new Uint8Array(100_000)];
    for (const kind of kinds) for (const payload of garbage) await hostile.publish(up(hostile.id, kind), payload);
    for (let time = 0; time < 3; time++) await hostile.publish(`serin/1/d/${hostile.id}/u/nonsense`, new Uint8Array(9));
    const wrong = kinds.length * garbage.length + 3;
    const device = await stack.feed.until('all of it is counted', async () => {
      const found = await stack.device('hostile');
      return found.refused.count >= wrong && found;
    });
    expect(device).toMatchObject({ refused: { count: wrong }, windows: { received: 0, missing: 0 }, models: [], live: null, error: null });
    expect(await metric(stack, 'messages_refused_total')).toBe(wrong);
    const lines = said(stack, 'hostile');
    expect(lines.get('message refused TOPIC_UNKNOWN')).toBe(1);
    expect(lines.get('message refused MESSAGE_MALFORMED')).toBe(1);
    expect([...lines.values()].every((count) => count === 1)).toBe(true);
  });

  test('topics of others and of the server are closed to it', async () => {
    const before = await stack.device('victim');
    const forbidden = [
      up(victim.id, 'status'),
      up(victim.id, 'tel'),
      down(victim.id, 'desired'),
      down(hostile.id, 'desired'),
      serverStatus,
      'serin/1/x',
      '$SYS/x',
    ];
    for (const topic of forbidden) await hostile.publish(topic, new Uint8Array(5));
    // In order behind them: once this is acknowledged, they have been dealt with.
    await hostile.sendWindows(0, 1);
    await acknowledgedAll(stack, hostile, 1);
    expect(await stack.device('victim')).toEqual(before);
    expect([...hostile.messages, ...victim.messages].filter(({ payload }) => payload.length === 5)).toEqual([]);
    expect(await metric(stack, 'broker_refused_total')).toBeGreaterThanOrEqual(forbidden.length);
    expect(said(stack, 'hostile').get('publish refused')).toBe(1);
  });

  test('a packet beyond the limit ends its connection alone; an older report is ignored', async () => {
    const { conn } = await hostile.session();
    await expect(hostile.publish(up(hostile.id, 'tel'), new Uint8Array(packetBytesMax + 1))).rejects.toMatchObject({ code: 'BROKER_UNREACHABLE' });
    await stack.feed.until('it is back', async () => (await hostile.session()).conn > conn);
    const report = (seq: number) => encode('reported', { v: 1, boot: bootId.parse('raw'), seq, ts: 1, rev: seq, models: [] });
    for (const seq of [9, 8, 7]) await hostile.publish(up(hostile.id, 'reported'), report(seq));
    await stack.feed.until('the older ones are counted', async () => (await metric(stack, 'messages_stale_total')) === 2);
    expect(said(stack, 'hostile').get('older report ignored REVISION_STALE')).toBe(1);
    await victim.sendWindows(3, 2);
    await acknowledgedAll(stack, victim, 5);
    expect((await stack.device('victim')).windows).toEqual({ received: 5, missing: 0, dropped: 0 });
  });
});

if (isMissing('mount')) test.skip('a disk that is full (this user cannot mount one)', () => {});
describe.skipIf(isMissing('mount'))('a disk that is full', () => {
  const disks: SmallDisk[] = [];
  const mount = (sizeMb: number): SmallDisk => {
    const disk = mountSmallDisk(sizeMb);
    disks.push(disk);
    return disk;
  };
  let stack: Stack | undefined;

  afterEach(async () => {
    await stack?.stop().finally(() => disks.splice(0).forEach((disk) => disk.unmount()));
    stack = undefined;
    disks.splice(0).forEach((disk) => disk.unmount());
  });

  test('at the start it is said, and nothing is started', async () => {
    const disk = mount(2);
    disk.fill(0);
    const logFolder = mkdtempSync(path.join(tmpdir(), 'serin-e2e-'));
    onTestFinished(() => rmSync(logFolder, { recursive: true, force: true }));
    for (const program of ['server', 'agent', 'simulator'] as const) {
      const start = startProgram({ program, args: ['--data', path.join(disk.folder, program)], logFile: path.join(logFolder, `${program}.log`) });
      await expect(start, program).rejects.toMatchObject({ detail: expect.stringMatching(/ended with code 1 .*: DISK_FULL: /) });
    }
  });

  test('the server at run time: nothing acknowledged is lost, and it goes on by itself when there is space', async () => {
    const disk = mount(512);
    stack = await startStack('embedded', { SERIN_DATA: path.join(disk.folder, 'server') });
    const { pid } = stack.server();
    const { api } = stack;
    const [present, steady] = [stack, await joinRaw(stack, 'steady')];
    onTestFinished(() => steady.stop());
    let sent = 0;
    await steady.sendWindows(sent, 5);
    await acknowledgedAll(stack, steady, (sent += 5));
    disk.fill(0);
    await stack.feed.until('it says that it cannot work', async () => !(await isReady(present)), 30_000);
    await expect(api('startJob', { body: { kind: 'train', model: picker } })).rejects.toMatchObject({ code: 'DISK_FULL', status: 507 });
    await steady.sendWindows(sent, 5);
    await stack.feed.until('it is logged', async () => /"code":"DISK_FULL".*nothing acknowledged/.test(present.logOf('server')), 30_000);
    expect(steady.acknowledged.size).toBe(sent);
    disk.free();
    await stack.feed.until('it works again', () => isReady(present), 30_000);
    await steady.sendWindows(sent, 5);
    await acknowledgedAll(stack, steady, (sent += 5));
    expect(stack.server().pid).toBe(pid);
    await stack.server().kill();
    await stack.startServer();
    expect((await stack.device('steady')).windows).toEqual({ received: sent, missing: 0, dropped: 0 });
  });

  test('an agent at run time: it says why it has no version, and takes it by itself when there is space', async () => {
    const disk = mount(64);
    stack = await startStack('embedded');
    const present = stack;
    const data = path.join(disk.folder, 'agent');
    await stack.startAgent('cam-1', { data });
    // Enough for its journal, too little for a bundle.
    disk.fill(2 << 20);
    await stack.api('startJob', { body: { kind: 'train', model: picker, seed: 7, rollout: true } });
    const reason = await stack.feed.until('the agent says so', async () => (await present.device('cam-1')).error ?? undefined, 60_000);
    expect(reason.code).toBe('DISK_FULL');
    disk.free();
    await stack.feed.until('the agent serves', async () => activeVersion(await present.device('cam-1')) === 1, 60_000);
    const received = async () => (await present.device('cam-1')).windows;
    await stack.feed.until('its evidence comes', async () => (await received()).received > 2, 60_000);
    disk.fill(0);
    const { received: before } = await received();
    await stack.feed.until('evidence flows on a full disk', async () => (await received()).received > before + 3, 60_000);
    disk.free();
    const acknowledged = present.logOf('cam-1').match(/"telemetry acknowledged"/g)?.length ?? 0;
    expect((await received()).received).toBeGreaterThanOrEqual(acknowledged);
    expect(await received()).toMatchObject({ missing: 0, dropped: 0 });
  });
});

describe.skipIf(isMissing('mosquitto', 'postgres'))('parts that are not there at the start', () => {
  test('the server waits for its database, then for a plain broker on this machine, and devices work over it', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'serin-e2e-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const database = await startPostgres(folder);
    onTestFinished(() => database.stop());
    await database.stop();
    const mqttPort = await freePort();
    const logFile = path.join(folder, 'server.log');
    const starting = startStack('embedded', { DATABASE_URL: database.url, MQTT_URL: `mqtt://127.0.0.1:${mqttPort}` }, { logFile });
    starting.catch(() => {});
    await expect.poll(() => readText(logFile), { timeout: 60_000 }).toContain('database unreachable');
    await database.start();
    const stack = await starting;
    onTestFinished(() => stack.stop());
    expect((await (await fetch(`${stack.server().ready.httpUrl}/readyz`)).json()) as unknown).toEqual({
      isReady: false,
      parts: { database: 'ok', broker: 'failing' },
    });
    expect(readText(logFile)).toMatch(/BROKER_UNREACHABLE.*MQTT_URL/);

    const conf = path.join(folder, 'mosquitto.conf');
    writeFileSync(conf, `listener ${mqttPort} 127.0.0.1\nallow_anonymous true\npersistence false\n${process.getuid?.() === 0 ? 'user root\n' : ''}`);
    const broker = await startMosquitto(folder, mqttPort, { conf });
    onTestFinished(() => broker.stop());
    await stack.feed.until('the server has its broker', () => isReady(stack), 60_000);
    const raw = await joinRaw(stack, 'raw');
    onTestFinished(() => raw.stop());
    await raw.sendWindows(0, 4);
    await acknowledgedAll(stack, raw, 4);
    expect((await stack.device('raw')).windows).toEqual({ received: 4, missing: 0, dropped: 0 });
    await stack.startAgent('cam-1');
    await stack.feed.until('an agent is there', async () => (await stack.device('cam-1')).online, 60_000);
  });
});
