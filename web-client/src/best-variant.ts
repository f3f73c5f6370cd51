import { candidatesFor, type CandidateRule, type Target } from '@serin/device/candidates';
import { recallVariant, rememberVariant } from '@serin/device/chosen-variant';
import { openBundleSession, type BundleSession, type WarmClock } from '@serin/device/bundle-session';
import type { BlobSource, Engine, WarmReport } from '@serin/device/ports';
import { filesOfAll } from '@serin/device/update/candidate-files';
import { choiceOf, type BundleFile } from '@serin/protocol/bundle/manifest';
import { asSerinError } from '@serin/protocol/errors';
import { sweep, type BlobStorage } from './blob-store.ts';
import { downloadBundle, requireUnderstood, type VerifiedBundle } from './bundle-download.ts';
import type { Backend } from './capabilities.ts';
import type { VerifiedChannel } from './channel.ts';
import type { LoadPhase } from './edge-model.ts';

/** A page is waited for, and may hang on a telephone. */
const usualRule: CandidateRule = { countMax: 3, bytesMax: 8 * 1024 * 1024 };
const measureMs = 500;

export interface BestVariantOptions {
  channel: VerifiedChannel;
  storage: Pick<BlobStorage, 'store' | 'documents'>;
  source: BlobSource;
  backend: Backend;
  rule: Partial<CandidateRule> | undefined;
  startEngine: () => Engine;
  clock: WarmClock;
  signal: AbortSignal;
  onProgress: (phase: LoadPhase, done: number, total: number) => void;
}

export interface BestVariant extends BundleSession {
  fetched: VerifiedBundle;
}

const targetOf = ({ name }: Backend): Target => ({ runtime: name, architecture: 'any', hasByteProducts: false });

/** Fetches the variants that are tried on this backend, keeps the one that runs best, and remembers which that was. */
export async function openBestVariant(options: BestVariantOptions): Promise<BestVariant> {
  const { channel, storage, backend } = options;
  requireUnderstood(channel);
  const known = await recallVariant(storage.documents, channel.manifestDigest, keyOf(backend));
  if (known === undefined) return openAmong(options, undefined);
  try {
    return await openAmong(options, known);
  } catch (thrown) {
    // What ran here before may not any more, after an update of the browser for example.
    if (!['GOLDEN_MISMATCH', 'MODEL_LOAD_FAILED'].includes(asSerinError(thrown).code)) throw thrown;
    return openAmong(options, undefined);
  }
}

const blobsOfFiles = (files: readonly BundleFile[]): Set<string> => new Set(files.flatMap(({ sha256, chunkRoot }) => [sha256, chunkRoot]));

const keyOf = ({ name, threads }: Backend): string => `${name} ${threads}`;

async function openAmong(options: BestVariantOptions, known: WarmReport | undefined): Promise<BestVariant> {
  const { channel, storage, source, backend, rule, startEngine, clock, signal, onProgress } = options;
  const { manifest, manifestDigest } = channel;
  const before = known === undefined ? undefined : choiceOf(manifest, known.variant);
  const choices = before === undefined ? candidatesFor(targetOf(backend), manifest, { ...usualRule, ...rule }) : [before];
  const fetched = await downloadBundle(channel, { store: storage.store, source, signal, choices, onProgress });
  await sweep(storage.store, blobsOfFiles(fetched.files));
  signal.throwIfAborted();

  const engine = startEngine();
  onProgress('compile', 0, 1);
  const onProven = (done: number, total: number): void => onProgress('compile', done, total);
  const onRun = (done: number, total: number): void => onProgress('warm-up', done, total);
  const opened = await openBundleSession(engine, fetched.candidates, clock, { onProven, onRun, measureMs, measured: before && known?.measured });
  onProgress('warm-up', 1, 1);
  await rememberVariant(storage.documents, manifestDigest, keyOf(backend), opened.report);
  const kept = choices.filter(({ variant }) => variant === opened.bundle.variant);
  await sweep(storage.store, blobsOfFiles(filesOfAll(kept)));
  return { ...opened, fetched };
}
