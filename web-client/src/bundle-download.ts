import { SerinError } from '@serin/protocol/errors';
import type { BundleChoice, BundleFile } from '@serin/protocol/bundle/manifest';
import { compareVersions, productVersion } from '@serin/protocol/version';
import type { BlobSource, BundleStore, LoadableBundle } from '@serin/device/ports';
import { bytesOf, fetchCandidates, filesOfAll, openCandidates } from '@serin/device/update/candidate-files';
import type { VerifiedChannel } from './channel.ts';

export interface VerifiedBundle {
  /** Never none; the most promising variant first. */
  candidates: readonly LoadableBundle[];
  files: readonly BundleFile[];
  sizeBytes: number;
  /** What had to be fetched; the rest was in the store, and was verified again. */
  bytesFetched: number;
}

export interface BundleDownloadOptions {
  store: BundleStore;
  source: BlobSource;
  signal: AbortSignal;
  /** What is tried here, the most promising first. */
  choices: readonly BundleChoice[];
  onProgress: (phase: 'download' | 'verify', done: number, total: number) => void;
}

/** Refuses what this program is too old for. */
export function requireUnderstood({ manifest }: VerifiedChannel): void {
  if (compareVersions(manifest.minAgent, productVersion) > 0)
    throw new SerinError('BUNDLE_TOO_NEW', { detail: `it asks for ${manifest.minAgent}, this is ${productVersion}` });
}

/** Brings in the files that are wanted here and opens them, every chunk and every whole checked against the manifest. */
export async function downloadBundle({ manifest, manifestDigest }: VerifiedChannel, options: BundleDownloadOptions): Promise<VerifiedBundle> {
  const { store, source, signal, choices, onProgress } = options;
  const wanted = bytesOf(filesOfAll(choices));
  const missing: BundleFile[] = [];
  for (const file of filesOfAll(choices)) if (!(await store.has(file.sha256))) missing.push(file);
  const bytesPresent = wanted - bytesOf(missing);

  let bytesFetched = 0;
  const progress = (bytes: number): void => {
    bytesFetched += bytes;
    onProgress('download', Math.min(wanted, bytesPresent + bytesFetched), wanted);
  };
  onProgress('download', bytesPresent, wanted);
  // Each chunk is asked for at most three times: that bounds what a page draws.
  await fetchCandidates(choices, { store, source, signal, progress, spend: () => {} }, () => {});
  onProgress('download', wanted, wanted);

  onProgress('verify', 0, 1);
  const opened = await openCandidates(store, manifestDigest, manifest, choices);
  onProgress('verify', 1, 1);
  const candidates = opened.filter(({ golden }) => golden !== undefined);
  if (candidates.length === 0)
    throw new SerinError('BUNDLE_MANIFEST_INVALID', { detail: 'it has no golden vectors, so nothing could show that this browser runs it right' });
  const files = filesOfAll(choices.filter(({ variant }) => opened.some((one) => one.variant === variant)));
  return { candidates, files, sizeBytes: bytesOf(files), bytesFetched };
}
