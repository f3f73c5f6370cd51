import { and, eq, isNull, lte } from 'drizzle-orm';
import type { z } from 'zod/mini';
import type { newSource } from '@serin/protocol/api/data-routes';
import { asSerinError, SerinError } from '@serin/protocol/errors';
import { recordAudit } from '../audit.ts';
import type { Log } from '../log.ts';
import { enqueueJob, type JobRow } from '../jobs/queue.ts';
import { createRounds } from '../rounds.ts';
import type { Service } from '../service.ts';
import { sources } from '../store/schema.ts';
import { storable } from '../store/storable.ts';
import type { Db } from '../store/store.ts';
import { findSource, type SourceRow } from '../views/data.ts';
import type { IngestContext } from './ingest-job.ts';
import { checkPlace } from './source-place.ts';
import { nextRead, nextTime } from './schedule.ts';
import { findLatest, specFor } from './versions.ts';

export interface SourceContext extends IngestContext {
  log: Log;
  random: () => number;
}

const sourcesMax = 1000;
export const scheduler = 'schedule';

/** Makes a source or changes the one of that name. Its cursor stays unless it reads something else now. */
export async function setSource(context: SourceContext, wanted: z.output<typeof newSource>, actor: string): Promise<SourceRow> {
  const { store, clock, changes } = context;
  const { name, dataset, settings, spec, mode, schedule, enabled } = wanted;
  await checkPlace(settings, context.sourceFolders);
  if (schedule !== null) nextTime(schedule, clock());
  specFor(spec, await findLatest(store.db, dataset), mode);
  const row = await store.transaction(async (tx) => {
    const now = clock();
    const known = await findSource(tx, name);
    if (known === undefined && (await tx.$count(sources)) >= sourcesMax)
      throw new SerinError('TOO_MANY_REQUESTS', { detail: `there are ${sourcesMax} sources` });
    const isSame = known !== undefined && JSON.stringify([known.settings, known.dataset]) === JSON.stringify([settings, dataset]);
    const nextReadAt = schedule === null || !enabled ? null : nextRead(schedule, now, context.random());
    const values = { dataset, settings: storable(settings), spec: storable(spec), mode, schedule, enabled, nextReadAt, ...(isSame ? {} : { cursor: null }) };
    const [stored] = await tx
      .insert(sources)
      .values({ ...values, name, createdAt: now, createdBy: actor })
      .onConflictDoUpdate({ target: sources.name, set: values })
      .returning();
    if (stored === undefined) throw new Error('an insert returned no row');
    const words = `${known === undefined ? 'declared' : 'changed'} the source ${name} (${settings.kind}) of the dataset ${dataset}`;
    await recordAudit(tx, { at: now, actor, action: 'source.set', subject: name, words });
    return stored;
  });
  changes.tell({ type: 'sources' });
  return row;
}

export async function removeSource({ store, clock, changes }: SourceContext, name: string, actor: string): Promise<void> {
  await store.transaction(async (tx) => {
    const removed = await tx.delete(sources).where(eq(sources.name, name)).returning({ name: sources.name });
    if (removed.length === 0) throw new SerinError('NOT_FOUND', { detail: `source ${name}` });
    await recordAudit(tx, { at: clock(), actor, action: 'source.remove', subject: name, words: `forgot the source ${name}` });
  });
  changes.tell({ type: 'sources' });
}

/** One read at a time: undefined while another is under way. */
async function enqueueRead({ clock, random }: SourceContext, tx: Db, name: string, actor: string, accept: boolean): Promise<JobRow | undefined> {
  const [row] = await tx.select().from(sources).where(eq(sources.name, name)).for('update');
  if (row === undefined) throw new SerinError('NOT_FOUND', { detail: `source ${name}` });
  if (row.jobId !== null) return undefined;
  const now = clock();
  const job = await enqueueJob(tx, { kind: 'ingest', model: row.dataset, params: { source: name, accept }, createdBy: actor }, now);
  const nextReadAt = row.schedule === null || !row.enabled ? null : nextRead(row.schedule, now, random());
  await tx.update(sources).set({ jobId: job.id, nextReadAt }).where(eq(sources.name, name));
  return job;
}

export async function readSource(context: SourceContext, name: string, actor: string, accept = false): Promise<JobRow> {
  const { store, clock, changes } = context;
  const job = await store.transaction(async (tx) => {
    const begun = await enqueueRead(context, tx, name, actor, accept);
    if (begun === undefined) throw new SerinError('CONFLICT', { detail: `${name} is being read`, hint: 'Wait for that read to end' });
    await recordAudit(tx, {
      at: clock(),
      actor,
      action: 'source.read',
      subject: name,
      words: `read the source ${name}${accept ? ', knowing that it shrank or has nothing' : ''}`,
    });
    return begun;
  });
  changes.tell({ type: 'sources' });
  changes.tell({ type: 'job', id: job.id });
  return job;
}

/** Reads sources on their schedules. Everything it knows is in rows, so a restart misses nothing and reads nothing twice. */
export function createSourceSchedule(context: SourceContext, tickMs = 1000): Service & { tick(): Promise<boolean> } {
  const { store, clock, changes, log } = context;

  async function tick(): Promise<boolean> {
    const due = await store.db
      .select({ name: sources.name })
      .from(sources)
      .where(and(eq(sources.enabled, true), isNull(sources.jobId), lte(sources.nextReadAt, clock())));
    for (const { name } of due) {
      try {
        const job = await store.transaction((tx) => enqueueRead(context, tx, name, scheduler, false));
        if (job === undefined) continue;
        changes.tell({ type: 'sources' });
        changes.tell({ type: 'job', id: job.id });
      } catch (error) {
        log.warn({ source: name, err: asSerinError(error) }, 'source not read');
      }
    }
    return false;
  }

  const rounds = createRounds({ pollMs: tickMs, work: tick, onError: (error) => log.warn({ err: asSerinError(error) }, 'sources could not be looked after') });
  return {
    name: 'sources',
    tick,
    async start() {
      rounds.start();
    },
    stop: () => rounds.stop(),
  };
}
