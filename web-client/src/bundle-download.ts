import { SerinError } from '@serin/protocol/errors';
import type { Golden } from '@serin/protocol/bundle/golden';
import { chooseVariant, type BundleFile, type Variant } from '@serin/protocol/bundle/manifest';
import { compareVersions, productVersion } from '@serin/protocol/version';
import type { BlobSource, BundleStore, LoadableBundle } from '@serin/device/ports';
import { fetchFile } from '@serin/device/update/bundle-fetch';
import { filesOf, loadable } from '@serin/device/update/bundle-files';
import type { VerifiedChannel } from './channel.ts';

/** Browsers run 8-bit weights on WASM; floats only where nothing else was published. */
const variantPreference: readonly Variant[] = ['u8s8', 'fp32'];

export interface VerifiedBundle extends LoadableBundle {
  golden: Golden;
  files: readonly BundleFile[];
  sizeBytes: number;
  /** What had to be fetched; the rest was in the store, and was verified again. */
  bytesFetched: number;
}

export interface BundleDownloadOptions {
  store: BundleStore;
  source: BlobSource;
  signal: AbortSignal;
  onProgress: (phase: 'download' | 'verify', done: number, total: number) => void;
}

/** Brings in the files this target needs and opens them, every chunk and every whole checked against the manifest. */
export async function downloadBundle({ manifest, manifestDigest }: VerifiedChannel, options: BundleDownloadOptions): Promise<VerifiedBundle> {
  const { store, source, signal, onProgress } = options;
  if (compareVersions(manifest.minAgent, productVersion) > 0)
    throw new SerinError('BUNDLE_TOO_NEW', { detail: `it asks for ${manifest.minAgent}, this is ${productVersion}` });
  const choice = chooseVariant(manifest, variantPreference);
  const files = filesOf(choice);
  const sizeBytes = files.reduce((sum, { size }) => sum + size, 0);

  let bytesFetched = 0;
  let bytesPresent = 0;
  onProgress('download', 0, sizeBytes);
  for (const file of files) {
    let ofFile = 0;
    const progress = (bytes: number): void => {
      bytesFetched += bytes;
      ofFile += bytes;
      onProgress('download', bytesPresent + ofFile, sizeBytes);
    };
    // Each chunk is asked for at most three times: that bounds what a page draws.
    await fetchFile(file, { store, source, signal, progress, spend: () => {} });
    bytesPresent += file.size;
    onProgress('download', bytesPresent, sizeBytes);
  }

  onProgress('verify', 0, 1);
  const bundle = await loadable(store, manifestDigest, manifest, choice);
  onProgress('verify', 1, 1);
  const { golden } = bundle;
  if (golden === undefined)
    throw new SerinError('BUNDLE_MANIFEST_INVALID', { detail: 'it has no golden vectors, so nothing could show that this browser runs it right' });
  return { ...bundle, golden, files, sizeBytes, bytesFetched };
}
