import type { Batch } from '../data/batch-source.ts';

/** What the training thread and the thread that prepares batches say to each other. */
export interface BatchWorkerData {
  /** A file URL or the name of a package's module. */
  readonly module: string;
  readonly settings: unknown;
  readonly batch: number;
  readonly seed: number;
}

export type BatchRequest = { readonly kind: 'make'; readonly step: number } | { readonly kind: 'close' };

export type BatchAnswer =
  | { readonly kind: 'ready'; readonly examples: number }
  | { readonly kind: 'made'; readonly step: number; readonly batch: Batch }
  | { readonly kind: 'failed'; readonly code: string; readonly detail: string; readonly hint: string | undefined; readonly stack: string };
