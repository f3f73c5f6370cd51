import { createApiClient } from '@serin/protocol/api/client';
import { sha256 } from '@serin/protocol/digest';
import { SerinError } from '@serin/protocol/errors';
import { fleetId, modelName, type Digest, type KeyId } from '@serin/protocol/ids';
import { trustFirstKeyset, type Keyset } from '@serin/protocol/bundle/keyset';
import { openManifest, type Manifest } from '@serin/protocol/bundle/manifest';

export interface ChannelOptions {
  url: string;
  model: string;
  /** Key id of the root the page was given beforehand; without it the origin is believed once about who the root is. */
  rootKeyId?: string;
  fetch: typeof globalThis.fetch;
  signal: AbortSignal;
  now: () => number;
}

/** What a browser shall run, once every signature held. */
export interface VerifiedChannel {
  manifest: Manifest;
  manifestDigest: Digest;
  keyset: Keyset;
  /** The release key that signed the manifest. */
  releaseKeyId: KeyId;
  rootKeyId: KeyId;
  rootIsPinned: boolean;
}

const encoder = new TextEncoder();

/** Asks what to run and verifies the answer: the keyset by its root, then the manifest by a release key of that keyset. */
export async function openChannel({ url, model, rootKeyId, fetch, signal, now }: ChannelOptions): Promise<VerifiedChannel> {
  const name = modelName.safeParse(model);
  if (!name.success) throw new SerinError('BAD_REQUEST', { detail: `"${model}" is not a model name` });
  const api = createApiClient({ baseUrl: url, fetch });
  const reply = await api('getWebChannel', { params: { name: name.data }, signal });
  const fleet = fleetId.safeParse(reply.fleet);
  if (!fleet.success) throw new SerinError('MESSAGE_MALFORMED', { detail: 'the name of the fleet' });

  const keyset = await trustFirstKeyset(reply.keyset, fleet.data);
  const wantedRoot = rootKeyId ?? reply.rootKeyId;
  const root = keyset.roles.root.keys.find((key) => key.id === wantedRoot);
  if (root === undefined) throw new SerinError('KEYSET_INVALID', { detail: `the root ${wantedRoot} is not among its keys` });
  if (keyset.expires <= now()) throw new SerinError('METADATA_EXPIRED', { detail: `keyset version ${keyset.version}` });

  const manifest = await openManifest(reply.manifest, keyset, { fleet: fleet.data, model: name.data, version: reply.version });
  const manifestDigest = await sha256(encoder.encode(JSON.stringify(reply.manifest)));
  if (manifestDigest !== reply.manifestDigest) throw new SerinError('BUNDLE_DIGEST_MISMATCH', { detail: 'the manifest' });
  const released = keyset.roles.release.keys.find((key) => reply.manifest.signatures.some(({ key: signer }) => signer === key.id));
  if (released === undefined) throw new SerinError('BUNDLE_SIGNATURE_INVALID');
  return {
    manifest,
    manifestDigest,
    keyset,
    releaseKeyId: released.id,
    rootKeyId: root.id,
    rootIsPinned: rootKeyId !== undefined,
  };
}
