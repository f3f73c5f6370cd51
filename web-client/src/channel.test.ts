import { beforeAll, expect, test } from 'vitest';
import type { Keyset } from '@serin/protocol/bundle/keyset';
import { describePart, type Manifest } from '@serin/protocol/bundle/manifest';
import { createKeyPair, importSigningKey, signDocument, type SignedDocument, type SigningKey } from '@serin/protocol/bundle/signing';
import { sha256 } from '@serin/protocol/digest';
import { fleetId, modelName } from '@serin/protocol/ids';
import { openChannel } from './channel.ts';

const fleet = fleetId.parse('hall');
const model = modelName.parse('picker');
const now = 1_700_000_000_000;
const encoder = new TextEncoder();

let root: SigningKey;
let release: SigningKey;
let stranger: SigningKey;
let keyset: Keyset;
let content: Manifest;

beforeAll(async () => {
  const newKey = async () => importSigningKey(await createKeyPair());
  [root, release, stranger] = [await newKey(), await newKey(), await newKey()];
  const role = ({ id, publicKey }: SigningKey) => ({ keys: [{ id, publicKey }], threshold: 1 });
  keyset = { v: 1, fleet, version: 4, expires: now + 1000, roles: { root: role(root), release: role(release), director: role(release) } };
  const { file } = await describePart({ role: 'model', variant: 'u8s8', path: 'model.u8s8.onnx', bytes: encoder.encode('weights') });
  content = {
    v: 1,
    fleet,
    model,
    version: 2,
    createdAt: now,
    minAgent: '0.1.0',
    task: 'image-classification',
    inputs: [{ name: 'frame', dtype: 'uint8', shape: [-1, 32, 32, 3] }],
    outputs: [{ name: 'probabilities', dtype: 'float32', shape: [-1, 5] }],
    labels: ['empty'],
    files: [file],
    metrics: {},
  };
});

interface Offer {
  manifest?: SignedDocument;
  keyset?: SignedDocument;
  version?: number;
  manifestDigest?: string;
}

async function open(offer: Offer = {}, options: { rootKeyId?: string; now?: () => number } = {}) {
  const manifest = offer.manifest ?? (await signDocument('manifest', content, [release]));
  const reply = {
    fleet,
    model,
    version: offer.version ?? 2,
    manifestDigest: offer.manifestDigest ?? (await sha256(encoder.encode(JSON.stringify(manifest)))),
    manifest,
    keyset: offer.keyset ?? (await signDocument('keyset', keyset, [root])),
    rootKeyId: root.id,
  };
  const fetch = async () => Response.json(reply);
  return openChannel({ url: 'http://localhost', model: 'picker', fetch, signal: new AbortController().signal, now: () => now, ...options });
}

test('a signed version is opened, and who vouched for it is known', async () => {
  const channel = await open();
  expect(channel).toMatchObject({ releaseKeyId: release.id, rootKeyId: root.id, rootIsPinned: false, keyset: { version: 4 }, manifest: { version: 2 } });
});

test('a root given beforehand is demanded', async () => {
  expect((await open({}, { rootKeyId: root.id })).rootIsPinned).toBe(true);
  await expect(open({}, { rootKeyId: stranger.id })).rejects.toMatchObject({ code: 'KEYSET_INVALID' });
});

test.each([
  [
    'a manifest signed by a stranger',
    async (): Promise<Offer> => ({ manifest: await signDocument('manifest', content, [stranger]) }),
    'BUNDLE_SIGNATURE_INVALID',
  ],
  [
    'a manifest changed after it was signed',
    async (): Promise<Offer> => {
      const signed = await signDocument('manifest', content, [release]);
      return { manifest: { ...signed, payload: signed.payload.replace('"version":2', '"version":3') } };
    },
    'BUNDLE_SIGNATURE_INVALID',
  ],
  ['another version than offered', async (): Promise<Offer> => ({ version: 3 }), 'BUNDLE_WRONG_FLEET'],
  ['a manifest under another digest', async (): Promise<Offer> => ({ manifestDigest: 'a'.repeat(64) }), 'BUNDLE_DIGEST_MISMATCH'],
  ['a keyset that its root did not sign', async (): Promise<Offer> => ({ keyset: await signDocument('keyset', keyset, [stranger]) }), 'KEYSET_INVALID'],
  [
    'a keyset of another fleet',
    async (): Promise<Offer> => ({ keyset: await signDocument('keyset', { ...keyset, fleet: 'other' }, [root]) }),
    'KEYSET_INVALID',
  ],
  [
    'a keyset in the place of the manifest',
    async (): Promise<Offer> => ({ manifest: await signDocument('keyset', content, [release]) }),
    'BUNDLE_SIGNATURE_INVALID',
  ],
] as const)('%s is refused', async (_, offer, code) => {
  await expect(open(await offer())).rejects.toMatchObject({ code });
});

test('an expired keyset installs nothing', async () => {
  await expect(open({}, { now: () => now + 1000 })).rejects.toMatchObject({ code: 'METADATA_EXPIRED' });
});
