import type { FastifyReply, FastifyRequest } from 'fastify';
import { renderReport } from '@serin/models/report/html';
import { report as reportSchema, reportBytesMax, type Report } from '@serin/protocol/bundle/report';
import { SerinError } from '@serin/protocol/errors';
import { digest } from '@serin/protocol/ids';
import type { BlobStore } from '../blobs/disk.ts';
import type { Db } from '../store/store.ts';
import { findVersion, manifestOf } from '../views/models.ts';

type VersionRow = NonNullable<Awaited<ReturnType<typeof findVersion>>>;

/** The page has neither scripts nor anything from elsewhere, and nothing written into it may bring any. */
const pageCsp = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export async function readVersionReport(db: Db, blobs: BlobStore, model: string, version: number): Promise<{ row: VersionRow; report: Report }> {
  const row = await findVersion(db, model, version);
  if (row === undefined) throw new SerinError('NOT_FOUND', { detail: `version ${version} of ${model}` });
  const file = manifestOf(row).files.find(({ role }) => role === 'report');
  if (file === undefined)
    throw new SerinError('NOT_FOUND', {
      detail: `version ${version} of ${model} has no report`,
      hint: 'Trained and imported versions have one; a model pushed as it is was not measured',
    });
  if (file.size > reportBytesMax) throw new SerinError('TOO_LARGE', { detail: `the report has ${file.size} bytes, limit ${reportBytesMax}` });
  const parsed = reportSchema.safeParse(JSON.parse(new TextDecoder().decode(await blobs.read(digest.parse(file.sha256)))));
  if (!parsed.success) throw new SerinError('BUNDLE_MANIFEST_INVALID', { detail: `the report of version ${version} of ${model} is malformed` });
  return { row, report: parsed.data };
}

export const wantsPage = (format: 'json' | 'html' | undefined, { headers }: Pick<FastifyRequest, 'headers'>): boolean =>
  format === undefined ? (headers.accept ?? '').includes('text/html') : format === 'html';

export const sendReportPage = (reply: FastifyReply, report: Report, { version, manifest, signedBy }: VersionRow): FastifyReply =>
  reply
    .headers({ 'content-security-policy': pageCsp, 'x-content-type-options': 'nosniff', 'cache-control': 'private, no-cache' })
    .type('text/html; charset=utf-8')
    .send(renderReport(report, { version, manifest, signedBy }));
