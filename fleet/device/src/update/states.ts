import { z } from 'zod/mini';
import { digest, timestampMs, versionNumber } from '@serin/protocol/ids';
import { bundleBytesMax, manifestBytesMax } from '@serin/protocol/limits';
import type { UpdateOutcome } from '@serin/protocol/messages/reported';
import { chosenVariant, type ChosenVariant } from '../chosen-variant.ts';

export const updateStates = ['DOWNLOADING', 'VERIFYING', 'STAGED', 'WARMUP', 'PROVISIONAL', 'COMMITTING', 'ROLLING_BACK'] as const;
export type UpdateState = (typeof updateStates)[number];

export const updateEvents = [
  'FETCHED',
  'STALLED',
  'VERIFIED',
  'INTACT',
  'DAMAGED',
  'WARMED',
  'WARMED_WITHOUT_TRIAL',
  'PROVEN',
  'DISPROVEN',
  'LATE',
  'CRASHED',
  'COMMITTED',
  'DROPPED',
  'REFUSED',
  'FAULTED',
  'SUPERSEDED',
  'POWER_LOST',
] as const;
export type UpdateEventKind = (typeof updateEvents)[number];

/** What happened, and why where the kind alone does not say it. */
export interface UpdateEvent {
  kind: UpdateEventKind;
  code?: string;
  detail?: string;
  /** Of WARMED. */
  chosen?: ChosenVariant;
}

const cause = z.object({
  code: z.optional(z.string().check(z.maxLength(64))),
  detail: z.optional(z.string().check(z.maxLength(300))),
  /** Replaced by a newer order: no outcome of its own. */
  isSuperseded: z.optional(z.boolean()),
});

/** What an update is about: the director's order for one model. */
export const updateTarget = z.object({
  version: versionNumber,
  manifest: z.object({ sha256: digest, size: z.int().check(z.gte(1), z.lte(manifestBytesMax)) }),
  bundleBytes: z.int().check(z.gte(1), z.lte(bundleBytesMax)),
  /** When the order was signed: what failed under it stays denied until a newer one. */
  issuedAt: timestampMs,
  /** It served here before and is still stored: no download, no probation. */
  isReturn: z.boolean(),
});
export type UpdateTarget = z.infer<typeof updateTarget>;

const whole = z.int().check(z.gte(0));

/** One update, written before each state is entered. `writes` bounds them, so no loop wears out or bricks a device. */
export const updateJournal = z.object({
  seq: whole,
  state: z.enum(updateStates),
  target: updateTarget,
  attempts: whole,
  trialStarts: whole,
  /** Wall clock by which a trial must have proven itself. */
  deadline: whole,
  writes: whole,
  /** From WARMUP on. */
  chosen: z.optional(chosenVariant),
  cause: z.optional(cause),
});
export type UpdateJournal = z.infer<typeof updateJournal>;

export interface UpdateEnd {
  /** Absent when a newer order replaced it. */
  outcome: UpdateOutcome | undefined;
  code?: string;
  detail?: string;
}

export const updateLimits = {
  /** Journal entries of one update, its end included. */
  writes: 28,
  downloadAttempts: 8,
  warmupAttempts: 2,
  trialStarts: 2,
} as const;
