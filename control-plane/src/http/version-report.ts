import { renderReport, type ReportSubject } from '@serin/models/report/html';
import { report as reportSchema, reportArtifact, reportBytesMax, type Report } from '@serin/protocol/bundle/report';
import { SerinError } from '@serin/protocol/errors';
import { digest, type Digest } from '@serin/protocol/ids';
import type { BlobStore } from '../blobs/disk.ts';
import type { Db } from '../store/store.ts';
import { findVersion, manifestOf } from '../views/models.ts';
import { findRunRow, viewRunDetail, type RunRow } from '../views/runs.ts';
import type { ApiRequest } from './routes.ts';

type VersionRow = NonNullable<Awaited<ReturnType<typeof findVersion>>>;

/** The page has neither scripts nor anything from elsewhere, and nothing written into it may bring any. */
const pageCsp = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

async function readReport(blobs: BlobStore, sha256: Digest, bytes: number, whose: string): Promise<Report> {
  if (bytes > reportBytesMax) throw new SerinError('TOO_LARGE', { detail: `the report has ${bytes} bytes, limit ${reportBytesMax}` });
  const parsed = reportSchema.safeParse(JSON.parse(new TextDecoder().decode(await blobs.read(sha256))));
  if (!parsed.success) throw new SerinError('BUNDLE_MANIFEST_INVALID', { detail: `the report of ${whose} is malformed` });
  return parsed.data;
}

export async function readVersionReport(db: Db, blobs: BlobStore, model: string, version: number): Promise<{ row: VersionRow; report: Report }> {
  const row = await findVersion(db, model, version);
  const whose = `version ${version} of ${model}`;
  if (row === undefined) throw new SerinError('NOT_FOUND', { detail: whose });
  const file = manifestOf(row).files.find(({ role }) => role === 'report');
  if (file === undefined)
    throw new SerinError('NOT_FOUND', {
      detail: `${whose} has no report`,
      hint: 'Trained and imported versions have one; a model pushed as it is was not measured',
    });
  return { row, report: await readReport(blobs, digest.parse(file.sha256), file.size, whose) };
}

/** Of a version that passed, and of one that did not. */
export async function readRunReport(db: Db, blobs: BlobStore, id: string): Promise<{ row: RunRow; report: Report }> {
  const row = await findRunRow(db, id);
  const whose = `run ${id}`;
  if (row === undefined) throw new SerinError('NOT_FOUND', { detail: whose });
  const file = reportArtifact(viewRunDetail(row));
  if (file === undefined)
    throw new SerinError('NOT_FOUND', {
      detail: row.status === 'RUNNING' ? `${whose} has not ended, so there is no report yet` : `${whose} has no report`,
      hint: 'A run has one once it is over, if it came to its gate',
    });
  return { row, report: await readReport(blobs, file.sha256, file.bytes, whose) };
}

const wantsPage = (format: 'json' | 'html' | undefined, accept = ''): boolean => (format === undefined ? accept.includes('text/html') : format === 'html');

export function replyReport(
  { request, reply }: ApiRequest<'getRunReport'>['http'],
  format: 'json' | 'html' | undefined,
  report: Report,
  subject: ReportSubject,
): Report {
  if (!wantsPage(format, request.headers.accept)) return report;
  const page = reply
    .headers({ 'content-security-policy': pageCsp, 'x-content-type-options': 'nosniff', 'cache-control': 'private, no-cache' })
    .type('text/html; charset=utf-8')
    .send(renderReport(report, subject));
  // It is sent here and now; whoever awaits the reply awaits its end.
  return page as unknown as Report;
}
