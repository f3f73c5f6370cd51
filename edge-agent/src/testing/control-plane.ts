import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { formatJoinToken, type JoinReply } from '@serin/protocol/api/join';
import { encodeChunk, hasBit } from '@serin/protocol/bundle/chunks';
import type { Keyset } from '@serin/protocol/bundle/keyset';
import { bundleSizeBytes, describePart, type BundlePart, type Manifest } from '@serin/protocol/bundle/manifest';
import { createKeyPair, importSigningKey, signDocument } from '@serin/protocol/bundle/signing';
import { decodeUp, encode } from '@serin/protocol/codec';
import { fromBase64, sha256 } from '@serin/protocol/digest';
import { deviceId, modelName, transferId, type Digest } from '@serin/protocol/ids';
import type { Desired, DesiredModel } from '@serin/protocol/messages/desired';
import type { Reported } from '@serin/protocol/messages/reported';
import { chunkTopic, down, up } from '@serin/protocol/topics';
import { createTestAuthority } from './authority.ts';
import { startBroker, type Received, type TestBroker } from './broker.ts';
import { testFleet } from './identity.ts';
import { stubbornBundle } from './onnx.ts';

const device = deviceId.parse('cam-1');
const encoder = new TextEncoder();
const yearMs = 365 * 24 * 3_600_000;

export interface TestControlPlane {
  url: string;
  token: string;
  broker: TestBroker;
  /** A version whose model detects that one object (label, x, y, angle, score) on every frame. */
  publish(version: number, object: readonly number[], change?: (blobs: Map<Digest, Uint8Array>, manifest: Manifest) => void): Promise<DesiredModel>;
  order(models: readonly DesiredModel[]): Promise<void>;
  /** The first report, or one still to come, for which `holds`. */
  reported(holds: (report: Reported) => boolean): Promise<Reported>;
  /** Windows the server has committed, as `boot/seq`. */
  committed: Set<string>;
  frames(version: number): number;
}

/** The server's side of everything an agent does, in memory: joins, signs, serves chunks, acknowledges. */
export async function startControlPlane(): Promise<TestControlPlane> {
  const authority = await createTestAuthority();
  const broker = await startBroker(authority);
  const key = await importSigningKey(await createKeyPair());
  const role = { keys: [{ id: key.id, publicKey: key.publicKey }], threshold: 1 };
  const keyset: Keyset = { v: 1, fleet: testFleet, version: 1, expires: Date.now() + yearMs, roles: { root: role, release: role, director: role } };
  const keysetDocument = await signDocument('keyset', keyset, [key]);
  const blobs = new Map<Digest, Uint8Array>();
  const committed = new Set<string>();
  const frames = new Map<number, number>();
  let rev = 0;

  const put = async (bytes: Uint8Array): Promise<Digest> => {
    const digest = await sha256(bytes);
    blobs.set(digest, bytes);
    return digest;
  };

  const own = await authority.issue('server', { usage: 'serverAuth', hosts: ['127.0.0.1'] });
  const devicePort = createServer({ key: own.keyPem, cert: own.certificatePem + authority.caPem, ca: authority.caPem }, (request, response) => {
    let text = '';
    request.on('data', (part: Buffer) => (text += part.toString()));
    request.on('end', () => {
      const { csrPem } = JSON.parse(text) as { csrPem: string };
      const answer = async (): Promise<JoinReply> => ({
        fleet: testFleet,
        device,
        certificatePem: await authority.answer(csrPem, device),
        caPem: authority.caPem,
        brokerUrl: broker.url,
        deviceUrl: url,
        keyset: keysetDocument,
      });
      void answer().then((reply) => response.writeHead(200).end(JSON.stringify(reply)));
    });
  });
  await new Promise<void>((resolve) => devicePort.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    devicePort.closeAllConnections();
    devicePort.close();
  });
  const url = `https://127.0.0.1:${(devicePort.address() as AddressInfo).port}`;

  function onMessage({ topic, payload }: Pick<Received, 'topic' | 'payload'>): void {
    const said = decodeUp(topic, payload);
    if (said.kind === 'get') {
      const { xfer, blob, from, bitmap, chunkSize } = said.message;
      const bytes = blobs.get(blob);
      if (bytes === undefined) {
        const refusal = encode('cmd', { v: 1, kind: 'transfer-refused', exp: Date.now() + 10_000, xfer, code: 'BLOB_NOT_FOUND' });
        broker.server.publish(down(device, 'cmd'), Buffer.from(refusal), { qos: 1 });
        return;
      }
      const bits = fromBase64(bitmap);
      for (let bit = 0; bit < bits.length * 8; bit++) {
        if (!hasBit(bits, bit)) continue;
        const chunk = bytes.subarray((from + bit) * chunkSize, (from + bit + 1) * chunkSize);
        broker.server.publish(chunkTopic(device, transferId.parse(xfer)), Buffer.from(encodeChunk(from + bit, chunk)), { qos: 0 });
      }
    } else if (said.kind === 'tel') {
      const { windows } = said.message;
      for (const { boot, seq, version, counters } of windows) {
        if (committed.has(`${boot}/${seq}`)) continue;
        committed.add(`${boot}/${seq}`);
        frames.set(version, (frames.get(version) ?? 0) + counters.run);
      }
      const ack = encode('ack', { v: 1, windows: windows.map(({ boot, seq }): [typeof boot, number] => [boot, seq]) });
      broker.server.publish(down(device, 'ack'), Buffer.from(ack), { qos: 1 });
    }
  }
  broker.server.on('message', (topic, payload) => onMessage({ topic, payload }));

  return {
    url,
    token: formatJoinToken({ caSha256: authority.caSha256, claim: 'c'.repeat(32) }),
    broker,
    committed,
    frames: (version) => frames.get(version) ?? 0,
    async publish(version, object, change = () => undefined) {
      const bundle = await stubbornBundle(version, object);
      const parts: BundlePart[] = [
        { role: 'model', variant: 'fp32', path: 'model.onnx', bytes: await bundle.modelBytes() },
        { role: 'golden', path: 'golden.json', bytes: encoder.encode(JSON.stringify(bundle.golden)) },
      ];
      const described = await Promise.all(parts.map((part) => describePart(part)));
      for (const { bytes } of parts) await put(bytes);
      for (const { chunks } of described) await put(chunks);
      const manifest: Manifest = { ...bundle.manifest, fleet: testFleet, files: described.map(({ file }) => file) };
      change(blobs, manifest);
      const bytes = encoder.encode(JSON.stringify(await signDocument('manifest', manifest, [key])));
      return { model: modelName.parse('picker'), version, manifest: { sha256: await put(bytes), size: bytes.length }, bundleBytes: bundleSizeBytes(manifest) };
    },
    async order(models) {
      const keysetBytes = encoder.encode(JSON.stringify(keysetDocument));
      const content: Desired = {
        v: 1,
        fleet: testFleet,
        device,
        rev: ++rev,
        issuedAt: Date.now(),
        expires: Date.now() + yearMs,
        models: [...models],
        keyset: { version: 1, sha256: await put(keysetBytes), size: keysetBytes.length },
        telemetry: { windowMs: 500, samplesPerWindow: 1 },
      };
      const document = await signDocument('desired', content, [key]);
      await broker.server.publishAsync(down(device, 'desired'), Buffer.from(encode('desired', document)), { qos: 1, retain: true });
    },
    async reported(holds) {
      let found: Reported | undefined;
      await broker.until(up(device, 'reported'), ({ payload, topic }) => {
        const said = decodeUp(topic, payload);
        if (said.kind !== 'reported' || !holds(said.message)) return false;
        found = said.message;
        return true;
      });
      if (found === undefined) throw new Error('unreachable');
      return found;
    },
  };
}
