import { SerinError } from '@serin/protocol/errors';
import { golden as goldenSchema, type Golden } from '@serin/protocol/bundle/golden';
import { chooseVariant, type BundleFile, type Manifest, type Variant } from '@serin/protocol/bundle/manifest';
import { profile as profileSchema, type Profile } from '@serin/protocol/bundle/profile';
import { compareVersions, productVersion } from '@serin/protocol/version';
import type { BlobSource, BundleStore } from '@serin/device/ports';
import { downloadFile, readVerified } from './download.ts';

/** Browsers run 8-bit weights on WASM; floats only where nothing else was published. */
const variantPreference: readonly Variant[] = ['u8s8', 'fp32'];
const decoder = new TextDecoder('utf-8', { fatal: true });

export interface VerifiedBundle {
  variant: Variant;
  files: readonly BundleFile[];
  sizeBytes: number;
  /** What had to be fetched; the rest was in the store, and was verified again. */
  bytesFetched: number;
  model: Uint8Array;
  golden: Golden;
  profile: Profile | undefined;
}

export interface BundleDownloadOptions {
  store: BundleStore;
  source: BlobSource;
  signal: AbortSignal;
  onProgress: (phase: 'download' | 'verify', done: number, total: number) => void;
}

/** Brings in the files this target needs and opens them, every chunk and every whole checked against the manifest. */
export async function downloadBundle(manifest: Manifest, { store, source, signal, onProgress }: BundleDownloadOptions): Promise<VerifiedBundle> {
  if (compareVersions(manifest.minAgent, productVersion) > 0)
    throw new SerinError('BUNDLE_TOO_NEW', { detail: `it asks for ${manifest.minAgent}, this is ${productVersion}` });
  const { variant, model, golden, profile } = chooseVariant(manifest, variantPreference);
  if (golden === undefined)
    throw new SerinError('BUNDLE_MANIFEST_INVALID', { detail: 'it has no golden vectors, so nothing could show that this browser runs it right' });
  const files = [model, golden, profile].filter((file) => file !== undefined);
  const sizeBytes = files.reduce((sum, file) => sum + file.size, 0);

  let bytesFetched = 0;
  let bytesPresent = 0;
  onProgress('download', 0, sizeBytes);
  for (const file of files) {
    let ofFile = 0;
    const onBytes = (count: number): void => {
      bytesFetched += count;
      ofFile += count;
      onProgress('download', bytesPresent + ofFile, sizeBytes);
    };
    await downloadFile(file, { store, source, signal, onBytes });
    bytesPresent += file.size;
    onProgress('download', bytesPresent, sizeBytes);
  }

  let verified = 0;
  const open = async (file: BundleFile): Promise<Uint8Array> => {
    onProgress('verify', verified, files.length);
    const bytes = await readVerified(file, store);
    verified++;
    return bytes;
  };
  const bundle: VerifiedBundle = {
    variant,
    files,
    sizeBytes,
    bytesFetched,
    model: await open(model),
    golden: parseFile(golden, await open(golden), goldenSchema),
    profile: profile === undefined ? undefined : parseFile(profile, await open(profile), profileSchema),
  };
  onProgress('verify', files.length, files.length);
  return bundle;
}

interface Schema<Content> {
  safeParse(value: unknown): { success: true; data: Content } | { success: false };
}

function parseFile<Content>(file: BundleFile, bytes: Uint8Array, schema: Schema<Content>): Content {
  let content: unknown;
  try {
    content = JSON.parse(decoder.decode(bytes));
  } catch (cause) {
    throw new SerinError('BUNDLE_MANIFEST_INVALID', { detail: `${file.path} is not JSON`, cause });
  }
  const parsed = schema.safeParse(content);
  if (!parsed.success) throw new SerinError('BUNDLE_MANIFEST_INVALID', { detail: `${file.path} does not follow its schema` });
  return parsed.data;
}
