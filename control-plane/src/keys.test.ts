import { mkdtemp, readdir, readFile, rm, stat, unlink } from 'node:fs/promises';
import { X509Certificate } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { expect, onTestFinished, test } from 'vitest';
import { openDocument, signDocument } from '@serin/protocol/bundle/signing';
import { fleetId } from '@serin/protocol/ids';
import { openKeys, type KeysOptions } from './keys.ts';

const start = Date.UTC(2026, 0, 1);
const dayMs = 24 * 3_600_000;

async function options(): Promise<KeysOptions> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'serin-keys-'));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
  return { dataDir, fleet: fleetId.parse('plant-1'), hosts: ['serin.example', '192.0.2.7'], clock: () => start };
}

async function makeRequest(curve = 'P-256', extensions: x509.Extension[] = []): Promise<string> {
  const keys = (await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: curve }, true, ['sign', 'verify'])) as CryptoKeyPair;
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: 'CN=somebody-else',
    keys,
    extensions,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
  });
  return request.toString('pem');
}

test('keys are made once, private to the owner, and the same after a restart', async () => {
  const settings = await options();
  const first = await openKeys(settings);
  const second = await openKeys(settings);
  expect(second.caSha256).toBe(first.caSha256);
  expect(second.server).toEqual(first.server);
  expect(second.keysetBlob).toEqual(first.keysetBlob);
  expect(second.release.id).toBe(first.release.id);
  for (const name of await readdir(path.join(settings.dataDir, 'keys'))) {
    expect((await stat(path.join(settings.dataDir, 'keys', name))).mode & 0o077, name).toBe(0);
  }
});

test('the keyset names the release and director keys, and their signatures open', async () => {
  const keys = await openKeys(await options());
  const document = await signDocument('manifest', { hello: 1 }, [keys.release]);
  expect(await openDocument(document, 'manifest', keys.keyset.roles.release)).toEqual({ hello: 1 });
  await expect(openDocument(document, 'manifest', keys.keyset.roles.director)).rejects.toMatchObject({ code: 'SIGNATURE_INVALID' });
});

test('the server certificate is made again when the hosts change or half of its life is over, the authority never', async () => {
  const settings = await options();
  const first = await openKeys(settings);
  const moved = await openKeys({ ...settings, hosts: ['other.example'] });
  expect(moved.server.certPem).not.toBe(first.server.certPem);
  expect(new X509Certificate(moved.server.certPem).checkHost('other.example')).toBe('other.example');
  const later = await openKeys({ ...settings, hosts: ['other.example'], clock: () => start + 400 * dayMs });
  expect(later.server.certPem).not.toBe(moved.server.certPem);
  expect(later.link.certPem).not.toBe(moved.link.certPem);
  expect(later.caPem).toBe(first.caPem);
});

test('a key file that is gone stops the start with its name; nothing is made anew over a fleet', async () => {
  const settings = await options();
  await openKeys(settings);
  const file = path.join(settings.dataDir, 'keys', 'ca.key');
  await unlink(file);
  await expect(openKeys(settings)).rejects.toMatchObject({ code: 'START_FAILED', detail: expect.stringContaining(file) });
});

test('a device certificate carries the name the server chose and nothing of the request', async () => {
  const keys = await openKeys(await options());
  const issued = await keys.issueDevice(await makeRequest(), 'cam-1');
  const certificate = new X509Certificate(issued.certificatePem);
  expect(certificate.subject).toBe('CN=cam-1');
  expect(certificate.checkIssued(new X509Certificate(keys.caPem))).toBe(true);
  expect(certificate.verify(new X509Certificate(keys.caPem).publicKey)).toBe(true);
  expect(certificate.ca).toBe(false);
  expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
  expect(certificate.serialNumber.toLowerCase()).toBe(issued.serial);
  expect(issued.expiresAt).toBe(start + 60 * dayMs);
});

test.each([
  ['another curve', () => makeRequest('P-384')],
  ['wishes for names', () => makeRequest('P-256', [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'serin.example' }])])],
  ['no request at all', async () => 'hello'],
  [
    'a broken signature',
    async () => {
      const der = new Uint8Array(x509.PemConverter.decode(await makeRequest())[0] ?? new ArrayBuffer(0));
      der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
      return x509.PemConverter.encode(der.buffer, 'CERTIFICATE REQUEST');
    },
  ],
])('a request with %s is refused', async (_, make) => {
  const keys = await openKeys(await options());
  await expect(keys.issueDevice(await make(), 'cam-1')).rejects.toMatchObject({ code: 'JOIN_REQUEST_INVALID' });
});

test('TLS accepts what was issued, in both directions', async () => {
  const settings = { ...(await options()), clock: () => Date.now() };
  const keys = await openKeys(settings);
  const server = createServer({ key: keys.server.keyPem, cert: keys.server.certPem, ca: keys.caPem, requestCert: true, rejectUnauthorized: true });
  onTestFinished(() => void server.close());
  const peer = new Promise<string>((resolve) => server.on('secureConnection', (socket: TLSSocket) => resolve(String(socket.getPeerCertificate().subject.CN))));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const port = (server.address() as { port: number }).port;
  const client = connect({ port, host: '127.0.0.1', ca: keys.caPem, key: keys.link.keyPem, cert: keys.link.certPem });
  onTestFinished(() => void client.destroy());
  await new Promise<void>((resolve, reject) => client.once('secureConnect', resolve).once('error', reject));
  expect(await peer).toBe('srv');
  expect(await readFile(path.join(settings.dataDir, 'keys', 'ca.pem'), 'utf8')).toBe(keys.caPem);
});
