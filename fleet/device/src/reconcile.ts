import type { ErrorCode } from '@serin/protocol/errors';
import type { Digest } from '@serin/protocol/ids';
import type { Desired, DesiredModel } from '@serin/protocol/messages/desired';
import type { ModelSlots } from './slots.ts';
import type { UpdateJournal, UpdateTarget } from './update/states.ts';

/** A digest that failed here, with the order under which it did. */
export interface Denial {
  manifest: Digest;
  issuedAt: number;
  code: string;
}

export interface Situation {
  /** Absent when the order does not name the model any more. */
  wanted: DesiredModel | undefined;
  issuedAt: number;
  /** The order or the keyset is past its time: keep running, install nothing new. */
  isExpired: boolean;
  slots: ModelSlots;
  journal: UpdateJournal | undefined;
  denials: readonly Denial[];
  /** Every file of the previous bundle is still stored. */
  isPreviousStored: boolean;
}

export type Plan =
  | { kind: 'keep' }
  | { kind: 'continue' }
  | { kind: 'install'; target: UpdateTarget }
  | { kind: 'supersede' }
  | { kind: 'retire' }
  | { kind: 'hold'; code: ErrorCode };

/** A lower revision is ignored; an equal one is a repetition, answered with a report. */
export function compareRevision(known: Pick<Desired, 'rev'> | undefined, incoming: Pick<Desired, 'rev'>): 'stale' | 'same' | 'newer' {
  if (known === undefined || incoming.rev > known.rev) return 'newer';
  return incoming.rev === known.rev ? 'same' : 'stale';
}

/** What to do about one model: from what is wanted, what is here and what is under way. */
export function planModel({ wanted, issuedAt, isExpired, slots, journal, denials, isPreviousStored }: Situation): Plan {
  if (journal !== undefined) return wanted?.manifest.sha256 === journal.target.manifest.sha256 ? { kind: 'continue' } : { kind: 'supersede' };
  if (wanted === undefined) return slots.committed === undefined ? { kind: 'keep' } : { kind: 'retire' };
  const { sha256 } = wanted.manifest;
  if (slots.committed?.manifest === sha256) return { kind: 'keep' };
  const denial = denials.find(({ manifest }) => manifest === sha256);
  if (denial !== undefined && issuedAt <= denial.issuedAt) return { kind: 'hold', code: 'BUNDLE_DENIED' };
  if (isExpired) return { kind: 'hold', code: 'METADATA_EXPIRED' };
  const isReturn = slots.previous?.manifest === sha256 && isPreviousStored;
  return { kind: 'install', target: { version: wanted.version, manifest: wanted.manifest, bundleBytes: wanted.bundleBytes, issuedAt, isReturn } };
}
