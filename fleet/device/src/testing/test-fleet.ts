import { sha256 } from '@serin/protocol/digest';
import { deviceId, digest as digestSchema, fleetId, modelName, type Digest } from '@serin/protocol/ids';
import type { Keyset } from '@serin/protocol/bundle/keyset';
import { bundleSizeBytes, describePart, type BundleFile, type Manifest, type Variant } from '@serin/protocol/bundle/manifest';
import { createKeyPair, importSigningKey, signDocument, type SignedDocument, type SigningKey } from '@serin/protocol/bundle/signing';
import type { Desired, DesiredModel } from '@serin/protocol/messages/desired';

/** Everything a server would sign and store, in memory: for tests of devices. */
export interface TestFleet {
  self: { fleet: Keyset['fleet']; device: Desired['device'] };
  keyset: Keyset;
  keysetDocument: SignedDocument;
  /** What the server would serve. */
  blobs: Map<Digest, Uint8Array>;
  newKey(): Promise<SigningKey>;
  /** The next keyset; its director signs from then on. */
  rotate(change?: Partial<Keyset>, signers?: readonly SigningKey[]): Promise<Desired['keyset']>;
  publish(version: number, options?: PublishOptions): Promise<DesiredModel>;
  order(rev: number, models: readonly DesiredModel[], change?: Partial<Desired>): Promise<SignedDocument>;
}

export interface PublishOptions {
  model?: string;
  signedBy?: SigningKey;
  change?: (manifest: Manifest) => Manifest;
  modelBytes?: Uint8Array;
  variants?: readonly Variant[];
}

export const testNow = 1_700_000_000_000;
const yearMs = 365 * 24 * 3_600_000;
const text = new TextEncoder();

/** Bytes that depend on the version and the variant only: several chunks of them. */
function bytesOf(version: number, rank: number): Uint8Array {
  const bytes = new Uint8Array(150_000 - rank);
  for (let index = 0; index < bytes.length; index++) bytes[index] = (index * 31 + version * 17 + (index >> 8)) & 255;
  return bytes;
}

const newKey = async (): Promise<SigningKey> => importSigningKey(await createKeyPair());

export async function createTestFleet(): Promise<TestFleet> {
  const [root, release, firstDirector] = await Promise.all([newKey(), newKey(), newKey()]);
  let director = firstDirector;
  const self = { fleet: fleetId.parse('hall'), device: deviceId.parse('cam-1') };
  const role = ({ id, publicKey }: SigningKey) => ({ keys: [{ id, publicKey }], threshold: 1 });
  const blobs = new Map<Digest, Uint8Array>();
  const put = async (bytes: Uint8Array): Promise<Digest> => {
    const digest = await sha256(bytes);
    blobs.set(digest, bytes);
    return digest;
  };
  const keyset: Keyset = {
    v: 1,
    fleet: self.fleet,
    version: 1,
    expires: testNow + yearMs,
    roles: { root: role(root), release: role(release), director: role(director) },
  };
  const present = { keyset, pointer: undefined as Desired['keyset'] | undefined };
  const keysetDocument = await signDocument('keyset', keyset, [root]);

  async function storeKeyset(next: Keyset, signers: readonly SigningKey[]): Promise<Desired['keyset']> {
    const bytes = text.encode(JSON.stringify(await signDocument('keyset', next, signers)));
    return { version: next.version, sha256: await put(bytes), size: bytes.length };
  }
  present.pointer = await storeKeyset(keyset, [root]);

  return {
    self,
    keyset,
    keysetDocument,
    blobs,
    newKey,
    async rotate(change = {}, signers = [root]) {
      director = await newKey();
      present.keyset = { ...present.keyset, version: present.keyset.version + 1, roles: { ...present.keyset.roles, director: role(director) }, ...change };
      present.pointer = await storeKeyset(present.keyset, signers);
      return present.pointer;
    },
    async publish(version, { model = 'picker', signedBy = release, change = (manifest: Manifest) => manifest, modelBytes, variants = ['fp32'] as const } = {}) {
      const files: BundleFile[] = [];
      for (const [rank, variant] of variants.entries()) {
        const bytes = modelBytes ?? bytesOf(version, rank);
        const { file, chunks } = await describePart({ role: 'model', variant, path: `model.${variant}.onnx`, bytes });
        await put(bytes);
        await put(chunks);
        files.push(file);
      }
      const manifest = change({
        v: 1,
        fleet: self.fleet,
        model: modelName.parse(model),
        version,
        createdAt: testNow,
        minAgent: '0.1.0',
        task: 'image-classification',
        inputs: [{ name: 'frame', dtype: 'uint8', shape: [-1, 32, 32, 3] }],
        outputs: [{ name: 'probabilities', dtype: 'float32', shape: [-1, 5] }],
        labels: ['empty', 'washer', 'nut', 'bolt', 'bracket'],
        files,
        metrics: {},
      });
      const bytes = text.encode(JSON.stringify(await signDocument('manifest', manifest, [signedBy])));
      return { model: modelName.parse(model), version, manifest: { sha256: await put(bytes), size: bytes.length }, bundleBytes: bundleSizeBytes(manifest) };
    },
    order: (rev, models, change = {}) =>
      signDocument(
        'desired',
        {
          v: 1,
          ...self,
          rev,
          issuedAt: testNow + rev,
          expires: testNow + yearMs,
          models: [...models],
          keyset: present.pointer ?? { version: 1, sha256: digestSchema.parse('0'.repeat(64)), size: 1 },
          telemetry: { windowMs: 1000, samplesPerWindow: 0 },
          ...change,
        } satisfies Desired,
        [director],
      ),
  };
}
