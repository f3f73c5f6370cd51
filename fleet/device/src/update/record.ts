import { z } from 'zod/mini';
import { digest, timestampMs, versionNumber } from '@serin/protocol/ids';
import { updateOutcome } from '@serin/protocol/messages/reported';
import type { DocumentStore } from '../ports.ts';
import type { Denial } from '../reconcile.ts';
import { parseJson } from '../slots.ts';
import { updateJournal, type UpdateEnd, type UpdateJournal } from './states.ts';

const lastOutcome = z.object({
  version: versionNumber,
  manifest: digest,
  outcome: updateOutcome,
  code: z.optional(z.string().check(z.maxLength(64))),
  detail: z.optional(z.string().check(z.maxLength(300))),
});

const denialsMax = 16;

/** All a model's updates leave behind: the one under way, how the last one ended, what may not be tried again. */
const updateRecord = z.object({
  seq: z.int().check(z.gte(0)),
  journal: z.optional(updateJournal),
  last: z.optional(lastOutcome),
  denials: z.array(z.object({ manifest: digest, issuedAt: timestampMs, code: z.string().check(z.maxLength(64)) })).check(z.maxLength(denialsMax)),
});
export type UpdateRecord = z.infer<typeof updateRecord>;

export const emptyRecord: UpdateRecord = { seq: 0, denials: [] };
const documentName = (model: string): string => `update-${model}`;

/** Undefined when there is something that cannot be read. */
export async function readRecord(documents: DocumentStore, model: string): Promise<UpdateRecord | undefined> {
  const text = await documents.read(documentName(model));
  return text === undefined ? emptyRecord : parseJson(updateRecord, text);
}

export const writeRecord = (documents: DocumentStore, model: string, record: UpdateRecord): Promise<void> =>
  documents.write(documentName(model), JSON.stringify(record));

/** The record after an update ended: its outcome, and unless it succeeded or was replaced, its denial. */
export function closeRecord(record: UpdateRecord, { target }: UpdateJournal, end: UpdateEnd): UpdateRecord {
  const { journal: _journal, ...kept } = record;
  const { outcome, ...reason } = end;
  if (outcome === undefined) return kept;
  const { version } = target;
  const manifest = target.manifest.sha256;
  const others = record.denials.filter((denial) => denial.manifest !== manifest);
  const denial: Denial[] = outcome === 'COMMITTED' ? [] : [{ manifest, issuedAt: target.issuedAt, code: end.code ?? outcome }];
  return { ...kept, last: { version, manifest, outcome, ...reason }, denials: [...others, ...denial].slice(-denialsMax) };
}

/** Causes that lie outside the bundle: another attempt under the same order may well succeed. */
const passing: ReadonlySet<string> = new Set(['TRANSFER_STALLED', 'TRANSFER_BUDGET_SPENT', 'BLOB_NOT_FOUND', 'DISK_FULL']);

export const forgetPassingDenials = (record: UpdateRecord): UpdateRecord => ({ ...record, denials: record.denials.filter(({ code }) => !passing.has(code)) });
