import { count, desc, eq, gte, inArray, max, sql } from 'drizzle-orm';
import type { AuditEntry, Overview } from '@serin/protocol/api/resources';
import { listAlerts } from './work.ts';
import { alerts, audit, datasetVersions, devices, jobs, rollouts, sources } from '../store/schema.ts';
import { selectRows, type Db } from '../store/store.ts';
import { describeFailedOrder, listFailedOrders } from './failed-orders.ts';
import { countLiveRollouts } from './rollouts.ts';
import { countRunningJobs } from './work.ts';
import type { ViewSettings } from './devices.ts';

const attentionMax = 50;
const recentMs = 3_600_000;

async function attentionOf(db: Db, now: number): Promise<Overview['attention']> {
  const open = await listAlerts(db, { limit: attentionMax, state: 'OPEN' });
  const held = await db
    .select()
    .from(rollouts)
    .where(inArray(rollouts.status, ['PAUSED', 'ROLLBACK_INCOMPLETE']))
    .orderBy(desc(rollouts.updatedAt))
    .limit(attentionMax);
  const failing = await db
    .select({ id: devices.id, reported: devices.reported, reportedAt: devices.reportedAt })
    .from(devices)
    .where(sql`${devices.state} = 'ACTIVE' and ${devices.reported}->'error' is not null`)
    .limit(attentionMax);
  const refusing = await listFailedOrders(db, attentionMax);
  const offline = await db
    .select({ id: devices.id, lastSeenAt: devices.lastSeenAt, joinedAt: devices.joinedAt })
    .from(devices)
    .where(sql`${devices.state} = 'ACTIVE' and not ${devices.online}`)
    .limit(attentionMax);
  const failed = await db
    .select({ id: jobs.id, kind: jobs.kind, error: jobs.error, finishedAt: jobs.finishedAt })
    .from(jobs)
    .where(sql`${jobs.status} = 'FAILED' and ${gte(jobs.finishedAt, now - recentMs)}`)
    .orderBy(desc(jobs.finishedAt))
    .limit(attentionMax);
  const quarantined = await db
    .select({ dataset: datasetVersions.dataset, version: max(datasetVersions.version), since: max(datasetVersions.createdAt), batches: count() })
    .from(datasetVersions)
    .where(eq(datasetVersions.status, 'QUARANTINED'))
    .groupBy(datasetVersions.dataset)
    .orderBy(desc(max(datasetVersions.createdAt)))
    .limit(attentionMax);
  const unread = await db
    .select()
    .from(sources)
    .where(sql`${sources.enabled} and ${sources.last}->>'ok' = 'false' and ${sources.last}->>'version' is null`)
    .orderBy(desc(sources.lastReadAt))
    .limit(attentionMax);
  return [
    ...open.map(({ id, words, since }) => ({ kind: 'alert' as const, id, words, since })),
    ...held.map((row) => ({
      kind: 'rollout' as const,
      id: row.id,
      words: `${row.model} version ${row.version}: ${row.history.at(-1)?.words ?? row.status}`,
      since: row.updatedAt,
    })),
    ...failing.map((row) => ({ kind: 'device' as const, id: row.id, words: `${row.id}: ${row.reported?.error?.detail ?? ''}`, since: row.reportedAt ?? now })),
    ...refusing.map((row) => ({ kind: 'device' as const, id: row.id, words: describeFailedOrder(row), since: Number(row.reported_at ?? now) })),
    ...offline.map((row) => ({ kind: 'device' as const, id: row.id, words: `${row.id} is offline`, since: row.lastSeenAt ?? row.joinedAt })),
    ...quarantined.map(({ dataset, version, since, batches }) => ({
      kind: 'dataset' as const,
      id: version === null ? dataset : `${dataset}/${version}`,
      words: `${dataset}: version ${version ?? '?'} is in quarantine${batches === 1 ? '' : `, and ${batches - 1} before it`}`,
      since: since ?? now,
    })),
    ...unread.map(({ name, last, lastReadAt }) => ({ kind: 'source' as const, id: name, words: `${name}: ${last?.words ?? ''}`, since: lastReadAt ?? now })),
    ...failed.map((row) => ({ kind: 'job' as const, id: row.id, words: `${row.kind} failed: ${row.error?.detail ?? ''}`, since: row.finishedAt ?? now })),
  ].slice(0, attentionMax);
}

export async function viewOverview(db: Db, { windowMs, now }: ViewSettings): Promise<Overview> {
  const [fleet] = await selectRows<{ total: string; online: string; synthetic: string }>(
    db,
    sql`select count(*) as total, count(*) filter (where online) as online, count(*) filter (where (hello->>'synthetic')::boolean) as synthetic
        from ${devices} where state = 'ACTIVE'`,
  );
  // One whole minute, or the last four windows where they are longer.
  const spanMs = Math.max(60_000, 4 * windowMs);
  const [recent] = await selectRows<{ windows: string; rate: string | null }>(
    db,
    sql`select count(*) as windows,
               (select sum(frames * 1000.0 / greatest(until - since, 1000)) from
                 -- Over all that is recent: a window that was cut short by a change of version says little alone.
                 (select sum(run) as frames, min(from_at) as since, max(to_at) as until from windows
                  where received_at >= ${now - Math.max(10_000, 4 * windowMs)} group by device, model) recent) as rate
        from windows where received_at >= ${now - spanMs}`,
  );
  return {
    at: now,
    devices: { total: Number(fleet?.total ?? 0), online: Number(fleet?.online ?? 0), synthetic: Number(fleet?.synthetic ?? 0) },
    inferencesPerS: Number(recent?.rate ?? 0),
    windowsPerMinute: Math.round((Number(recent?.windows ?? 0) * 60_000) / spanMs),
    openAlerts: await db.$count(alerts, eq(alerts.state, 'OPEN')),
    activeRollouts: await countLiveRollouts(db),
    runningJobs: await countRunningJobs(db),
    attention: await attentionOf(db, now),
  };
}

export async function listAudit(db: Db, limit: number): Promise<AuditEntry[]> {
  const rows = await db.select().from(audit).orderBy(desc(audit.id)).limit(limit);
  return rows.map(({ id, at, actor, action, subject, words }) => ({ id: String(id), at, actor, action, subject, words }));
}
