import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { brokerContract } from './contract.ts';
import { mosquittoConfig } from './mosquitto-config.ts';

const places = ['/usr/sbin/mosquitto', '/usr/local/sbin/mosquitto', '/opt/homebrew/sbin/mosquitto'];
const program = places.find((place) => existsSync(place));

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** False when the program ended first: whoever answers then is somebody else. */
async function untilListening(port: number, child: ChildProcess): Promise<boolean> {
  for (let attempt = 0; ; attempt++) {
    if (child.exitCode !== null) return false;
    const socket = connect(port, '127.0.0.1');
    const opened = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(
        () => false,
        () => false,
      ),
    ]).catch(() => false);
    socket.destroy();
    if (opened) return child.exitCode === null;
    if (attempt > 200) throw new Error('mosquitto does not listen');
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** Mosquitto cannot pick a port itself, and between the look for a free one and its use somebody may take it: then it says so, and another is taken. */
async function listenSomewhere(start: (port: number) => Promise<ChildProcess>): Promise<{ child: ChildProcess; port: number }> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const child = await start(port);
    let said = '';
    child.stderr?.on('data', (bytes: Buffer) => (said += bytes.toString()));
    const closed = once(child, 'close').then(() => false);
    if (await Promise.race([untilListening(port, child), closed])) return { child, port };
    if (attempt >= 5 || !said.includes('Address already in use')) throw new Error(`mosquitto ended: ${said}`);
  }
}

brokerContract(
  'mosquitto',
  async (authority) => {
    const folder = await mkdtemp(path.join(tmpdir(), 'serin-mosquitto-'));
    const file = (name: string): string => path.join(folder, name);
    const options = {
      host: '127.0.0.1',
      caPath: file('ca.pem'),
      certPath: file('server.pem'),
      keyPath: file('server.key'),
      aclPath: file('acl'),
      ...(process.getuid?.() === 0 ? { runAs: 'root' } : {}),
    };
    const { acl } = mosquittoConfig({ ...options, port: 0 });
    await writeFile(file('ca.pem'), authority.caPem);
    await writeFile(file('server.pem'), authority.server.certPem);
    await writeFile(file('server.key'), authority.server.keyPem);
    await writeFile(file('acl'), acl);
    const { child, port } = await listenSomewhere(async (candidate) => {
      const { conf } = mosquittoConfig({ ...options, port: candidate });
      await writeFile(file('mosquitto.conf'), conf);
      return spawn(program ?? 'mosquitto', ['-c', file('mosquitto.conf')], { stdio: ['ignore', 'ignore', 'pipe'] });
    });
    const ended = once(child, 'exit');
    return {
      url: `mqtts://127.0.0.1:${port}`,
      async stop() {
        child.kill();
        await ended;
        await rm(folder, { recursive: true, force: true });
      },
    };
  },
  program !== undefined,
);

test('the access list says what the policy table says', () => {
  const { acl, conf } = mosquittoConfig({ host: '127.0.0.1', port: 8883, caPath: '/ca', certPath: '/cert', keyPath: '/key', aclPath: '/acl' });
  expect(acl.split('\n').filter((line) => line !== '' && !line.startsWith('#'))).toEqual([
    'user srv',
    'topic write serin/1/d/+/c/#',
    'topic write serin/1/srv/status',
    'topic read serin/1/d/+/u/+',
    'pattern write serin/1/d/%u/u/+',
    'pattern read serin/1/d/%u/c/#',
    'pattern read serin/1/srv/status',
  ]);
  expect(conf).toContain('require_certificate true');
});
