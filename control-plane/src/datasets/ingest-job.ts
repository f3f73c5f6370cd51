import path from 'node:path';
import { eq } from 'drizzle-orm';
import { z } from 'zod/mini';
import type { ManifestEntry } from '@serin/models/datasets/manifest';
import { dataSpec, inputFile, type SourceSettings } from '@serin/protocol/api/datasets';
import { SerinError } from '@serin/protocol/errors';
import { digest } from '@serin/protocol/ids';
import type { JobHandler } from '../jobs/handler.ts';
import { endWords } from '../jobs/end-words.ts';
import { readIngestResult, writeIngestRequest, type IngestRequest } from '../jobs/ingest-folder.ts';
import { ingestParams } from '../jobs/params.ts';
import type { JobRow } from '../jobs/queue.ts';
import { sources } from '../store/schema.ts';
import { storable } from '../store/storable.ts';
import type { Db } from '../store/store.ts';
import { findSource, type DatasetVersionRow, type SourceRow } from '../views/data.ts';
import { readManifest } from './compose.ts';
import { checkPlace } from './source-place.ts';
import { commitVersion, findLatest, specFor, type DatasetContext } from './versions.ts';

export interface IngestContext extends DatasetContext {
  /** What sources may reach; nothing unless said. */
  sourceFolders: readonly string[];
  sourcePrivateUrls: boolean;
  sourceStallMs: number;
  sourceBytesMax: number;
  /** The server's environment: the secrets of sources are looked up in it by their names. */
  env: Readonly<Record<string, string | undefined>>;
}

const pushRequest = z.object({ files: z.array(inputFile), spec: dataSpec, mode: z.enum(['append', 'replace']) });

/** The names of secrets that a source has, and no others. */
export function secretNames(settings: SourceSettings): string[] {
  const { headerSecret, keyIdSecret, keySecret, urlSecret } = settings as Partial<Record<'headerSecret' | 'keyIdSecret' | 'keySecret' | 'urlSecret', string>>;
  return [headerSecret, keyIdSecret, keySecret, urlSecret].filter((name) => name !== undefined);
}

function secretsOf(settings: SourceSettings, env: IngestContext['env']): Record<string, string> {
  const missing = secretNames(settings).filter((name) => (env[name] ?? '') === '');
  if (missing.length > 0)
    throw new SerinError('SOURCE_FAILED', {
      detail: `the server has no ${missing.join(' and no ')} in its environment`,
      hint: 'Set it where the server is started, and start it again',
    });
  return Object.fromEntries(secretNames(settings).map((name) => [name, env[name] ?? '']));
}

type Order = Pick<IngestRequest, 'spec' | 'mode' | 'files' | 'source'>;

/** Makes versions of files that were pushed and of what sources bring: read by a child, decided here. */
export function createIngestJobs(context: IngestContext): JobHandler {
  const { store, blobs, changes, clock, env, sourceFolders, sourcePrivateUrls, sourceStallMs, sourceBytesMax } = context;

  async function sourceOf(job: JobRow): Promise<SourceRow | undefined> {
    const { source: name } = ingestParams.parse(job.params);
    if (name === undefined) return undefined;
    const row = await findSource(store.db, name);
    if (row === undefined) throw new SerinError('NOT_FOUND', { detail: `the source ${name} was removed` });
    return row;
  }

  async function orderOf(job: JobRow, source: SourceRow | undefined): Promise<Order> {
    if (source !== undefined) {
      // Also at each read: what the server may reach can have changed since.
      await checkPlace(source.settings, sourceFolders);
      const { settings, cursor, spec, mode } = source;
      const { accept } = ingestParams.parse(job.params);
      const allowed = { folders: [...sourceFolders], privateUrls: sourcePrivateUrls, stallMs: sourceStallMs, bytesMax: sourceBytesMax, accept };
      return { spec, mode, files: [], source: { settings, cursor, ...allowed } };
    }
    const { request } = ingestParams.parse(job.params);
    if (request === undefined) throw new SerinError('JOB_FAILED', { detail: 'the job names no files' });
    const { files, spec, mode } = pushRequest.parse(JSON.parse(Buffer.from(await blobs.read(request)).toString('utf8')));
    return { spec, mode, files: files.map((file) => ({ ...file, at: blobs.locate(file.sha256) })), source: null };
  }

  const locate = (blob: string | null): string | null => (blob === null ? null : blobs.locate(digest.parse(blob)));
  const known = async (latest: DatasetVersionRow | undefined, mode: Order['mode']) =>
    latest === undefined || mode === 'replace' ? [] : (await readManifest(blobs, latest.manifest)).entries.map(({ sha256 }) => sha256);

  async function endSource(tx: Db, source: SourceRow, last: SourceRow['last'], cursor?: unknown): Promise<void> {
    await tx
      .update(sources)
      .set({ last: storable(last), lastReadAt: clock(), jobId: null, ...(cursor === undefined || cursor === null ? {} : { cursor: storable(cursor) }) })
      .where(eq(sources.name, source.name));
    changes.tell({ type: 'sources' });
  }

  return {
    async prepare(job, folder) {
      const source = await sourceOf(job);
      const order = await orderOf(job, source);
      const latest = await findLatest(store.db, job.model);
      await writeIngestRequest(folder, {
        ...order,
        kind: 'ingest',
        spec: specFor(order.spec, latest, order.mode),
        reference: latest === undefined ? null : { version: latest.version, schema: locate(latest.schema), profile: locate(latest.profile) },
        known: await known(latest, order.mode),
        now: clock(),
      });
      return source === undefined ? {} : secretsOf(source.settings, env);
    },
    isFinished: async (folder) => (await readIngestResult(folder).catch(() => undefined)) !== undefined,
    async publish(job, folder, { finish }) {
      const result = await readIngestResult(folder);
      if (result === undefined) throw new SerinError('JOB_FAILED', { detail: 'the job left no result' });
      const source = await sourceOf(job);
      if (result.nothing !== null) {
        const { ok, words } = result.nothing;
        await store.transaction(async (tx) => {
          await finish(tx, { status: 'SUCCEEDED', message: words });
          // What was too little is read again next time: the cursor stays.
          if (source !== undefined) await endSource(tx, source, { ok, words, version: null }, ok ? result.cursor : undefined);
        });
        return;
      }
      for (const { file, sha256 } of result.brought) {
        const adopted = (await blobs.has(sha256)) ? sha256 : await blobs.adopt(path.join(folder, file));
        if (adopted !== sha256) throw new SerinError('JOB_FAILED', { detail: `${file} changed after it was read` });
      }
      const { note } = ingestParams.parse(job.params);
      const order = await orderOf(job, source);
      const latest = await findLatest(store.db, job.model);
      const { entries, splits, labels, columns, schema, profile, errors, warnings, anomalies, anomaliesBeyond } = result;
      await commitVersion(
        context,
        {
          name: job.model,
          // As it was parsed: what is absent is absent.
          batch: { spec: specFor(order.spec, latest, order.mode), entries: entries as ManifestEntry[], splits, labels, columns, schema, profile },
          mode: order.mode,
          anomalies: { errors, warnings, anomalies, anomaliesBeyond },
          source: source?.name ?? null,
          note,
          createdBy: job.createdBy,
        },
        async (tx, made) => {
          const words =
            'same' in made
              ? `nothing new: the data is that of version ${made.same}`
              : made.status === 'READY'
                ? `version ${made.version} is ready`
                : `version ${made.version} is in quarantine: ${errors} ${errors === 1 ? 'error' : 'errors'}`;
          await finish(tx, { status: 'SUCCEEDED', message: words, ...('same' in made ? {} : { version: made.version }) });
          if (source === undefined) return;
          const version = 'same' in made ? null : made.version;
          await endSource(tx, source, { ok: 'same' in made || made.status === 'READY', words, version }, result.cursor);
        },
      );
    },
    async onEnd(tx, job, end) {
      const { source: name } = ingestParams.parse(job.params);
      const source = name === undefined ? undefined : await findSource(tx, name);
      if (source?.jobId !== job.id) return;
      await endSource(tx, source, { ok: false, words: endWords(end), version: null });
    },
  };
}
