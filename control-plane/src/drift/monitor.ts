import { randomUUID } from 'node:crypto';
import { and, asc, eq, gte, sql } from 'drizzle-orm';
import type { Alert } from '@serin/protocol/api/resources';
import { decodeWindow } from '@serin/protocol/codec';
import { asSerinError } from '@serin/protocol/errors';
import { deviceId, type DeviceId } from '@serin/protocol/ids';
import type { Profile, ProfileStatistic } from '@serin/protocol/bundle/profile';
import { describePromise, type DriftRule } from '@serin/stats/drift-detector';
import type { Changes } from '../changes.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import { createRounds } from '../rounds.ts';
import type { Service } from '../service.ts';
import { alerts, detectors, windows } from '../store/schema.ts';
import type { Db, Store } from '../store/store.ts';
import { describeMove, feedWatch, fits, newWatch, severityOf, type Watch } from './judge.ts';
import type { Profiles } from './profiles.ts';

export interface DriftMonitorOptions {
  store: Store;
  profiles: Profiles;
  changes: Changes;
  clock: Clock;
  log: Log;
  rule: DriftRule;
  windowMs: number;
  pollMs?: number;
}

/** Where reading goes on: windows come in the order of `receivedAt`, and those of that very moment were seen up to here. */
interface Cursor {
  receivedAt: number;
  seen: string[];
}

type WindowRow = typeof windows.$inferSelect;
type AlertBody = Omit<Alert, 'id' | 'model' | 'version' | 'statistic' | 'state' | 'openedAt' | 'clearedAt' | 'jobId'> & { scope: 'fleet' | 'device' };

const cursorName = '#cursor';
const fleetScope = '*';
const batchMax = 2000;
const writeMax = 500;
const keyOf = (row: WindowRow): string => `${row.device} ${row.boot} ${row.seq}`;
const watchName = (statistic: string, scope: string): string => (scope === fleetScope ? statistic : `${statistic}@${scope}`);

/**
 * Watches every statistic of every version in service, over all its devices together and on each device alone, and opens and
 * clears alerts. Each window is fed once: the state of the detectors and the place of reading change in one transaction.
 */
export function createDriftMonitor(options: DriftMonitorOptions): Service {
  const { store, profiles, changes, clock, log, rule, windowMs, pollMs = 500 } = options;
  const rounds = createRounds({
    pollMs,
    work: async () => {
      const isBehind = await feed();
      if (!isBehind) await clearAbandoned();
      return isBehind;
    },
    onError: (error) => log.error({ err: asSerinError(error) }, 'drift monitor failed; it goes on with the same windows'),
  });

  /** One batch of windows; true when more are waiting. */
  async function feed(): Promise<boolean> {
    const touched = new Set<string>();
    const isFull = await store.transaction(async (tx) => {
      touched.clear();
      const cursor = await readCursor(tx);
      const rows = await tx
        .select()
        .from(windows)
        .where(gte(windows.receivedAt, cursor.receivedAt))
        .orderBy(asc(windows.receivedAt), asc(windows.toAt), asc(windows.device), asc(windows.seq))
        .limit(batchMax + cursor.seen.length);
      const seen = new Set(cursor.seen);
      const fresh = rows.filter((row) => row.receivedAt > cursor.receivedAt || !seen.has(keyOf(row)));
      if (fresh.length === 0) return false;
      for (const [version, batch] of groupByVersion(fresh)) {
        for (const alertId of await feedVersion(tx, version, batch)) touched.add(alertId);
      }
      const receivedAt = fresh.at(-1)?.receivedAt ?? cursor.receivedAt;
      const atThatMoment = fresh.filter((row) => row.receivedAt === receivedAt).map(keyOf);
      await writeState(tx, '', 0, cursorName, {
        receivedAt,
        seen: receivedAt === cursor.receivedAt ? [...cursor.seen, ...atThatMoment] : atThatMoment,
      } satisfies Cursor);
      return rows.length >= batchMax;
    });
    for (const id of touched) changes.tell({ type: 'alert', id });
    return isFull;
  }

  async function readCursor(tx: Db): Promise<Cursor> {
    const [row] = await tx.select().from(detectors).where(eq(detectors.statistic, cursorName));
    return (row?.state as Cursor | undefined) ?? { receivedAt: 0, seen: [] };
  }

  async function writeState(tx: Db, model: string, version: number, statistic: string, state: unknown): Promise<void> {
    const values = { state, updatedAt: clock() };
    await tx
      .insert(detectors)
      .values({ model, version, statistic, ...values })
      .onConflictDoUpdate({ target: [detectors.model, detectors.version, detectors.statistic], set: values });
  }

  async function writeWatches(tx: Db, model: string, version: number, watches: ReadonlyMap<string, Watch>, names: readonly string[]): Promise<void> {
    const updatedAt = clock();
    for (let start = 0; start < names.length; start += writeMax) {
      const rows = names.slice(start, start + writeMax).map((statistic) => ({ model, version, statistic, state: watches.get(statistic), updatedAt }));
      await tx
        .insert(detectors)
        .values(rows)
        .onConflictDoUpdate({
          target: [detectors.model, detectors.version, detectors.statistic],
          set: { state: sql`excluded.state`, updatedAt: sql`excluded.updated_at` },
        });
    }
  }

  /** Feeds the windows of one version; returns the alerts that changed. */
  async function feedVersion(tx: Db, { model, version }: { model: string; version: number }, rows: readonly WindowRow[]): Promise<string[]> {
    const profile = await profiles.of(tx, model, version);
    if (profile === undefined || profile.framesPerWindow === 0) return [];
    const watches = await readWatches(tx, model, version);
    const changed = new Set<string>();
    for (const row of rows) {
      const window = decodeWindow(row.body);
      for (const seen of window?.statistics ?? []) {
        const reference = profile.statistics.find(({ name }) => name === seen.name);
        if (reference === undefined || reference.nullPsi.length === 0 || !fits(reference, seen)) continue;
        for (const scope of [fleetScope, row.device]) {
          const name = watchName(seen.name, scope);
          watches.set(name, feedWatch(watches.get(name) ?? newWatch(), reference, profile.framesPerWindow, seen, row.fromAt, rule));
          changed.add(name);
        }
      }
    }
    await writeWatches(tx, model, version, watches, [...changed]);
    const touched: string[] = [];
    for (const reference of profile.statistics) {
      const id = await settleAlert(tx, model, version, profile, reference, watches);
      if (id !== undefined) touched.push(id);
    }
    return touched;
  }

  async function readWatches(tx: Db, model: string, version: number): Promise<Map<string, Watch>> {
    const rows = await tx
      .select()
      .from(detectors)
      .where(and(eq(detectors.model, model), eq(detectors.version, version)));
    return new Map(rows.map(({ statistic, state }) => [statistic, state as Watch]));
  }

  /** Opens, updates or clears the alert of one statistic; returns its id when something changed. */
  async function settleAlert(
    tx: Db,
    model: string,
    version: number,
    profile: Profile,
    reference: ProfileStatistic,
    watches: ReadonlyMap<string, Watch>,
  ): Promise<string | undefined> {
    const fleet = watches.get(reference.name);
    const prefix = watchName(reference.name, '');
    const byDevice = [...watches].flatMap(([name, watch]) => (name.startsWith(prefix) ? [{ device: deviceId.parse(name.slice(prefix.length)), watch }] : []));
    const [open] = await tx
      .select()
      .from(alerts)
      .where(and(eq(alerts.model, model), eq(alerts.version, version), eq(alerts.statistic, reference.name), eq(alerts.state, 'OPEN')));
    const alarmed = byDevice.filter(({ watch }) => watch.drift.alert);
    const speaking = fleet?.drift.alert === true ? fleet : alarmed.toSorted((a, b) => (b.watch.judged?.effect ?? 0) - (a.watch.judged?.effect ?? 0))[0]?.watch;
    if (speaking?.judged === undefined || speaking.judged === null) {
      if (open === undefined) return undefined;
      await tx.update(alerts).set({ state: 'CLEARED', clearedAt: clock() }).where(eq(alerts.id, open.id));
      return open.id;
    }
    const isFleet = speaking === fleet;
    const concerned = byDevice
      .filter(({ watch }) => watch.drift.alert || (isFleet && (watch.judged?.effect ?? 0) >= rule.effectMin))
      .map(({ device }) => device);
    const body = describe(profile, reference, speaking, concerned, isFleet);
    if (open === undefined) {
      const id = randomUUID();
      await tx.insert(alerts).values({ id, model, version, statistic: reference.name, state: 'OPEN', openedAt: clock(), body });
      log.warn({ model, version, statistic: reference.name, effect: body.effect, devices: body.devices.length }, 'drift alert');
      return id;
    }
    await tx.update(alerts).set({ body }).where(eq(alerts.id, open.id));
    return open.id;
  }

  function describe(profile: Profile, reference: ProfileStatistic, watch: Watch, devices: DeviceId[], isFleet: boolean): AlertBody {
    const { effect = 0, mean = Number.NaN, counts = [], at = 0 } = watch.judged ?? {};
    const promise = describePromise(watch.drift, rule);
    const where = devices.length === 0 ? 'over all devices together' : devices.length === 1 ? `on ${devices[0]}` : `on ${devices.length} devices`;
    const since = watch.drift.since ?? at;
    return {
      scope: isFleet ? 'fleet' : 'device',
      severity: severityOf(effect),
      since,
      effect,
      evidence: watch.drift.r,
      threshold: rule.threshold,
      devices,
      words: `${reference.name} moved ${describeMove(reference, { counts, mean })} ${where} since ${new Date(since).toISOString().slice(11, 19)} UTC (corrected PSI ${effect.toFixed(2)}); ${promise.words}`,
      assumption: `${profile.assumption} ${promise.words.charAt(0).toUpperCase()}${promise.words.slice(1)}.`.slice(0, 1000),
      reference: reference.counts,
      live: counts,
      edges: reference.edges,
    };
  }

  /** An alert about a version that no device runs any more is over. */
  async function clearAbandoned(): Promise<void> {
    const silentMs = Math.max(30_000, 10 * windowMs);
    const cleared = await store.db
      .update(alerts)
      .set({ state: 'CLEARED', clearedAt: clock() })
      .where(
        sql`${alerts.state} = 'OPEN' and ${alerts.openedAt} < ${clock() - silentMs} and not exists (
              select 1 from ${windows} w where w.model = ${alerts.model} and w.version = ${alerts.version} and w.to_at > ${clock() - silentMs})
            and exists (select 1 from ${windows} w where w.model = ${alerts.model} and w.version <> ${alerts.version} and w.to_at > ${clock() - silentMs})`,
      )
      .returning({ id: alerts.id });
    for (const { id } of cleared) changes.tell({ type: 'alert', id });
  }

  return {
    name: 'drift',
    start() {
      rounds.start();
      return Promise.resolve();
    },
    stop: () => rounds.stop(),
  };
}

function groupByVersion(rows: readonly WindowRow[]): [{ model: string; version: number }, WindowRow[]][] {
  const groups = new Map<string, [{ model: string; version: number }, WindowRow[]]>();
  for (const row of rows) {
    const key = `${row.model} ${row.version}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [{ model: row.model, version: row.version }, [row]]);
    else group[1].push(row);
  }
  return [...groups.values()];
}
