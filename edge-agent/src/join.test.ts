import { readdir, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import type { TLSSocket } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { formatJoinToken, joinRequest, type JoinReply } from '@serin/protocol/api/join';
import { deviceId } from '@serin/protocol/ids';
import { createTestAuthority, type TestAuthority } from './testing/authority.ts';
import { emptyFolder } from './testing/folder.ts';
import { makeKeyset, testFleet, testHello } from './testing/identity.ts';
import { createKey, openIdentityStore, renewAt, validityOf, type Identity } from './identity.ts';
import { joinFleet, renewIdentity } from './join.ts';

const claim = 'c'.repeat(32);

interface Answer {
  status: number;
  body: unknown;
}

interface Listener {
  url: string;
  bodies: unknown[];
  connections: number;
  commonNames: unknown[];
}

/** A server's device port: shows its chain with the authority, answers as it is told. */
async function listen(
  authority: TestAuthority,
  answer: (body: { csrPem: string }, url: string) => Promise<Answer>,
  { hosts = ['127.0.0.1'], sendsAuthority = true, from = 0, until = Date.now() + 3_600_000, usage = 'serverAuth' as const } = {},
): Promise<Listener> {
  const own = await authority.issue('server', { usage, hosts, until, ...(from === 0 ? {} : { from }) });
  const listener: Listener = { url: '', bodies: [], connections: 0, commonNames: [] };
  const server = createServer(
    {
      key: own.keyPem,
      cert: own.certificatePem + (sendsAuthority ? authority.caPem : ''),
      ...(sendsAuthority ? { ca: authority.caPem } : {}),
      requestCert: true,
      rejectUnauthorized: false,
    },
    (request, response) => {
      let text = '';
      request.on('data', (part: Buffer) => (text += part.toString()));
      request.on('end', () => {
        const socket = request.socket as TLSSocket;
        const body = JSON.parse(text) as { csrPem: string };
        listener.bodies.push(body);
        listener.commonNames.push(socket.authorized ? socket.getPeerCertificate().subject.CN : undefined);
        void answer(body, listener.url).then(({ status, body: reply }) => response.writeHead(status).end(JSON.stringify(reply)));
      });
    },
  );
  server.on('connection', () => listener.connections++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  listener.url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return listener;
}

async function replyTo(authority: TestAuthority, csrPem: string, url: string, changes: Partial<JoinReply> = {}): Promise<JoinReply> {
  return {
    fleet: testFleet,
    device: deviceId.parse('cam-1'),
    certificatePem: await authority.answer(csrPem, 'cam-1'),
    caPem: authority.caPem,
    brokerUrl: 'mqtts://127.0.0.1:8883',
    deviceUrl: url,
    keyset: await makeKeyset(),
    ...changes,
  };
}

const accept =
  (authority: TestAuthority, changes: Partial<JoinReply> = {}) =>
  async ({ csrPem }: { csrPem: string }, url: string): Promise<Answer> => ({ status: 200, body: await replyTo(authority, csrPem, url, changes) });

async function join(authority: TestAuthority, url: string, caSha256 = authority.caSha256): Promise<Identity> {
  return joinFleet({ url, token: formatJoinToken({ caSha256, claim }), name: deviceId.parse('cam-1'), hello: testHello, keyPem: await createKey() });
}

test('a device joins with a key made here, keeps what it got for itself alone, and finds it on the next start', async () => {
  const authority = await createTestAuthority();
  const server = await listen(authority, accept(authority));
  const folder = path.join(await emptyFolder(), 'identity');
  const store = await openIdentityStore(folder);
  const keyPem = await store.keyForJoining();
  const token = formatJoinToken({ caSha256: authority.caSha256, claim });
  const identity = await joinFleet({ url: server.url, token, name: deviceId.parse('cam-1'), hello: testHello, keyPem });
  expect(identity).toMatchObject({ device: 'cam-1', fleet: 'hall', keyPem });
  expect(joinRequest.parse(server.bodies[0])).toMatchObject({ claim, name: 'cam-1', hello: testHello });
  expect(JSON.stringify(server.bodies)).not.toContain('PRIVATE');

  await store.save(identity);
  expect(await readdir(folder)).toEqual(['identity.json']);
  expect((await stat(path.join(folder, 'identity.json'))).mode & 0o777).toBe(0o600);
  expect((await stat(folder)).mode & 0o777).toBe(0o700);
  expect(await (await openIdentityStore(folder)).load()).toEqual(identity);
});

test('the key is the same until an identity is saved, so that a lost answer can be asked for again', async () => {
  const folder = await emptyFolder();
  const first = await (await openIdentityStore(folder)).keyForJoining();
  expect(await (await openIdentityStore(folder)).keyForJoining()).toBe(first);
});

test('a damaged identity is not taken for a device that never joined', async () => {
  const folder = await emptyFolder();
  await writeFile(path.join(folder, 'identity.json'), '{"fleet":"hall"');
  await expect((await openIdentityStore(folder)).load()).rejects.toMatchObject({ code: 'NOT_JOINED' });
});

test('a server of another authority gets not one byte', async () => {
  const [expected, other] = [await createTestAuthority(), await createTestAuthority()];
  const server = await listen(other, accept(other));
  await expect(join(expected, server.url)).rejects.toMatchObject({ code: 'JOIN_SERVER_MISMATCH', detail: expect.stringContaining('that the token names') });
  expect(server.bodies).toEqual([]);
});

test('showing the right authority is not enough: the server must be signed by it, for its name, for now, as a server', async () => {
  const [authority, forger] = [await createTestAuthority(), await createTestAuthority()];
  const forged = { ...forger, caPem: authority.caPem, caSha256: authority.caSha256 };
  const servers = [
    await listen(forged, accept(authority)),
    await listen(authority, accept(authority), { hosts: ['10.0.0.1', 'server.example'] }),
    await listen(authority, accept(authority), { from: Date.now() - 9_000_000, until: Date.now() - 1_000_000 }),
    await listen(authority, accept(authority), { usage: 'clientAuth' as 'serverAuth' }),
    await listen(authority, accept(authority), { sendsAuthority: false }),
  ];
  for (const [index, server] of servers.entries()) {
    await expect(join(authority, server.url), `server ${index}`).rejects.toMatchObject({ code: 'JOIN_SERVER_MISMATCH' });
    expect(server.bodies).toEqual([]);
  }
});

test.each([
  ['another authority', async (_own: TestAuthority, other: TestAuthority) => ({ caPem: other.caPem })],
  [
    'a certificate of another authority',
    async (_own: TestAuthority, other: TestAuthority) => ({ certificatePem: (await other.issue('cam-1')).certificatePem }),
  ],
  ['a certificate for another key', async (own: TestAuthority) => ({ certificatePem: (await own.issue('cam-1')).certificatePem })],
  ['a certificate for another name', async () => ({ device: deviceId.parse('cam-2') })],
])('an answer with %s is refused', async (_words, change) => {
  const authority = await createTestAuthority();
  const server = await listen(authority, accept(authority, await change(authority, await createTestAuthority('Other'))));
  await expect(join(authority, server.url)).rejects.toMatchObject({ code: 'JOIN_SERVER_MISMATCH' });
});

test('the pinned authority stays the only one: its server cannot hand the device over to another', async () => {
  const [authority, other] = [await createTestAuthority(), await createTestAuthority('Other')];
  const server = await listen(authority, accept(other));
  await expect(join(authority, server.url)).rejects.toMatchObject({ code: 'JOIN_SERVER_MISMATCH', detail: expect.stringContaining('another authority') });
});

test('an answer with a plain broker address, or with a keyset nobody signed, is refused', async () => {
  const authority = await createTestAuthority();
  const plain = await listen(authority, accept(authority, { brokerUrl: 'mqtt://192.168.1.9:1883' }));
  await expect(join(authority, plain.url)).rejects.toMatchObject({ code: 'LISTENER_INSECURE' });
  const keyset = { ...(await makeKeyset()), signatures: (await makeKeyset()).signatures };
  const unsigned = await listen(authority, accept(authority, { keyset }));
  await expect(join(authority, unsigned.url)).rejects.toMatchObject({ code: 'KEYSET_INVALID' });
});

test('what the server refuses comes out under its code; what is no answer of it is said so', async () => {
  const authority = await createTestAuthority();
  const refusing = await listen(authority, async () => ({
    status: 401,
    body: { code: 'JOIN_CLAIM_INVALID', message: 'unknown', hint: 'Make a new one', requestId: 'r1' },
  }));
  await expect(join(authority, refusing.url)).rejects.toMatchObject({ code: 'JOIN_CLAIM_INVALID', hint: 'Make a new one' });
  const strange = await listen(authority, async () => ({ status: 200, body: { hello: 1 } }));
  await expect(join(authority, strange.url)).rejects.toMatchObject({ code: 'MESSAGE_MALFORMED' });
  const restarting = await listen(authority, async () => ({ status: 502, body: 'bad gateway' }));
  await expect(join(authority, restarting.url)).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
  await expect(join(authority, 'https://127.0.0.1:1')).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
});

test('a certificate is renewed with a new key, over a connection that shows the old one', async () => {
  const authority = await createTestAuthority();
  const server = await listen(authority, async ({ csrPem }, url) => {
    const isRenewal = server.bodies.length > 1;
    const reply = await replyTo(authority, csrPem, url);
    return { status: 200, body: isRenewal ? { certificatePem: reply.certificatePem, caPem: reply.caPem } : reply };
  });
  const identity = await join(authority, server.url);
  const renewed = await renewIdentity(identity);
  expect(server.commonNames).toEqual([undefined, 'cam-1']);
  expect(renewed.keyPem).not.toBe(identity.keyPem);
  expect(renewed.certificatePem).not.toBe(identity.certificatePem);
  expect({ ...renewed, keyPem: '', certificatePem: '' }).toEqual({ ...identity, keyPem: '', certificatePem: '' });
});

test('renewal is due when two thirds of the life are over', async () => {
  const { certificatePem } = await (await createTestAuthority()).issue('cam-1', { from: 1_700_000_000_000, until: 1_700_000_090_000 });
  expect(renewAt(validityOf(certificatePem))).toBe(1_700_000_060_000);
});
