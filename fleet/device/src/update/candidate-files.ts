import type { BundleChoice, BundleFile, Manifest } from '@serin/protocol/bundle/manifest';
import { SerinError } from '@serin/protocol/errors';
import type { Digest } from '@serin/protocol/ids';
import type { MeasuredVariant } from '@serin/protocol/messages/reported';
import type { BundleStore, LoadableBundle } from '../ports.ts';
import { fetchFile, type FetchParts } from './bundle-fetch.ts';
import { filesOf, loadable } from './bundle-files.ts';

const freeBytesMargin = 8 * 1024 * 1024;

/** Files of several variants, each once. */
export const filesOfAll = (choices: readonly BundleChoice[]): BundleFile[] => [
  ...new Map(choices.flatMap(filesOf).map((file) => [file.sha256, file] as const)).values(),
];

export const bytesOf = (files: readonly BundleFile[]): number => files.reduce((sum, { size }) => sum + size, 0);

async function requireRoom(store: BundleStore, files: readonly BundleFile[]): Promise<void> {
  const [freeBytes, wantedBytes] = [await store.freeBytes(), bytesOf(files)];
  if (freeBytes < wantedBytes + freeBytesMargin) throw new SerinError('DISK_FULL', { detail: `${freeBytes} bytes free for a bundle of ${wantedBytes}` });
}

/** The first variant must come. The others are for comparison: for want of room they are left out. */
export async function fetchCandidates(choices: readonly BundleChoice[], parts: FetchParts, leftOut: (choice: BundleChoice) => void): Promise<void> {
  for (const [rank, choice] of choices.entries()) {
    try {
      await requireRoom(parts.store, filesOf(choice));
      for (const file of filesOf(choice)) await fetchFile(file, parts);
    } catch (error) {
      if (rank === 0 || !(error instanceof SerinError && error.code === 'DISK_FULL')) throw error;
      leftOut(choice);
    }
  }
}

/** Those that are here, each file compared with its digest. */
export async function openCandidates(store: BundleStore, digest: Digest, manifest: Manifest, choices: readonly BundleChoice[]): Promise<LoadableBundle[]> {
  const opened: LoadableBundle[] = [];
  for (const [rank, choice] of choices.entries()) {
    if (rank === 0 || (await store.has(choice.model.sha256))) opened.push(await loadable(store, digest, manifest, choice));
  }
  return opened;
}

/** Nobody knows whose fault a crash was: then the most promising one is tried alone, and at last the others without it. */
export function splitAfterCrashes<Candidate>(
  candidates: readonly Candidate[],
  crashes: number,
): { tried: readonly Candidate[]; leftOut: readonly Candidate[] } {
  if (crashes === 0 || candidates.length === 1) return { tried: candidates, leftOut: [] };
  const [first, others] = [candidates.slice(0, 1), candidates.slice(1)];
  return crashes === 1 ? { tried: first, leftOut: others } : { tried: others, leftOut: first };
}

export const leftOutFigures = ({ variant, model }: LoadableBundle): MeasuredVariant => ({
  variant,
  bytes: model.size,
  code: 'INFERENCE_CRASHED',
  detail: 'left out: the inference process ended when all were tried',
});
