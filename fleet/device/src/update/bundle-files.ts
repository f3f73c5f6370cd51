import type { z } from 'zod/mini';
import { sha256 } from '@serin/protocol/digest';
import { SerinError } from '@serin/protocol/errors';
import type { Digest } from '@serin/protocol/ids';
import { golden } from '@serin/protocol/bundle/golden';
import { choiceOf, manifest as manifestSchema, type BundleChoice, type BundleFile, type Manifest, type Variant } from '@serin/protocol/bundle/manifest';
import { preprocessing } from '@serin/protocol/bundle/preprocessing';
import { profile } from '@serin/protocol/bundle/profile';
import { signedDocument, type SignedDocument } from '@serin/protocol/bundle/signing';
import type { MeasuredVariant } from '@serin/protocol/messages/reported';
import type { BundleStore, LoadableBundle } from '../ports.ts';
import { parseJson, type Slot } from '../slots.ts';

const text = new TextDecoder('utf-8', { fatal: true });

/** The stored bytes if they still have their digest; what is damaged is removed, so that it is fetched again. */
export async function readChecked(store: BundleStore, digest: Digest): Promise<Uint8Array> {
  const bytes = await store.read(digest);
  if ((await sha256(bytes)) === digest) return bytes;
  await store.remove(digest);
  throw new SerinError('BUNDLE_DIGEST_MISMATCH', { detail: `stored blob ${digest}` });
}

function decodeText(bytes: Uint8Array): string {
  try {
    return text.decode(bytes);
  } catch {
    return '';
  }
}

export function parseManifestDocument(bytes: Uint8Array): SignedDocument {
  const document = parseJson(signedDocument, decodeText(bytes));
  if (document === undefined) throw new SerinError('BUNDLE_MANIFEST_INVALID', { detail: 'not a signed document' });
  return document;
}

async function readPart<Schema extends z.ZodMiniType>(store: BundleStore, file: BundleFile | undefined, schema: Schema): Promise<z.infer<Schema> | undefined> {
  if (file === undefined) return undefined;
  const content = parseJson(schema, decodeText(await readChecked(store, file.sha256)));
  if (content === undefined) throw new SerinError('BUNDLE_MANIFEST_INVALID', { detail: `${file.path} is malformed` });
  return content;
}

export function requireChoice(manifest: Manifest, variant: Variant): BundleChoice {
  const choice = choiceOf(manifest, variant);
  if (choice === undefined) throw new SerinError('BUNDLE_NO_VARIANT', { detail: `it has no ${variant}` });
  return choice;
}

export const filesOf = (choice: BundleChoice): BundleFile[] =>
  [choice.model, choice.golden, choice.profile, choice.preprocessing, choice.explainer].filter((file) => file !== undefined);

export const slotOf = (digest: Digest, manifest: Manifest, choice: BundleChoice, measured: readonly MeasuredVariant[] | undefined): Slot => ({
  version: manifest.version,
  manifest: digest,
  variant: choice.variant,
  ...(measured === undefined ? {} : { measured: [...measured] }),
  blobs: [...new Set([digest, ...filesOf(choice).flatMap((file) => [file.sha256, file.chunkRoot])])],
});

/** A bundle ready for the runner, every file read and compared with its digest. */
export async function loadable(store: BundleStore, digest: Digest, manifest: Manifest, choice: BundleChoice): Promise<LoadableBundle> {
  await readChecked(store, choice.model.sha256);
  return {
    digest,
    manifest,
    variant: choice.variant,
    model: choice.model,
    modelBytes: () => readChecked(store, choice.model.sha256),
    golden: await readPart(store, choice.golden, golden),
    profile: await readPart(store, choice.profile, profile),
    preprocessing: await readPart(store, choice.preprocessing, preprocessing),
    explainer: choice.explainer === undefined ? undefined : await readChecked(store, choice.explainer.sha256),
  };
}

/** What was verified before: its digest says it is the same, whoever may sign by now. */
export async function readVerifiedManifest(store: BundleStore, digest: Digest): Promise<Manifest> {
  const { payload } = parseManifestDocument(await readChecked(store, digest));
  const manifest = parseJson(manifestSchema, payload);
  if (manifest === undefined) throw new SerinError('BUNDLE_MANIFEST_INVALID', { detail: `installed bundle ${digest}` });
  return manifest;
}

export async function openInstalled(store: BundleStore, { manifest: digest, variant }: Slot): Promise<LoadableBundle> {
  const manifest = await readVerifiedManifest(store, digest);
  return loadable(store, digest, manifest, requireChoice(manifest, variant));
}
