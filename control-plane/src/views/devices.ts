import { and, asc, eq, gt, ilike, inArray, sql, type SQL } from 'drizzle-orm';
import type { Device, DevicePoint } from '@serin/protocol/api/resources';
import { deviceId, modelName, type DeviceId } from '@serin/protocol/ids';
import { decodeWindow } from '@serin/protocol/codec';
import { alerts, desired, devices, windows } from '../store/schema.ts';
import { selectRows, type Db } from '../store/store.ts';
import { failsItsOrder } from './failed-orders.ts';

type DeviceRow = typeof devices.$inferSelect;
type DesiredRow = typeof desired.$inferSelect;

export interface DeviceFilter {
  limit: number;
  cursor?: string;
  q?: string;
  state?: 'online' | 'offline' | 'drifting' | 'failed' | 'revoked';
  version?: string;
}

export interface ViewSettings {
  windowMs: number;
  now: number;
}

interface NewestWindow {
  device: string;
  to_at: string | number;
  from_at: string | number;
  run: number;
  /** Sums over the fresh windows of the same version: a single one may hold too few frames for a share. */
  recent_run: number;
  recent_bad: number;
  recent_judged: number;
  recent_wrong: number;
  p50_ms: number | null;
  p95_ms: number | null;
  drift: number | null;
  drift_statistic: string | null;
  body: Uint8Array;
}

/** Evidence older than this says nothing about now. */
const freshMs = (windowMs: number): number => Math.max(10_000, 4 * windowMs);
const escapeLike = (text: string): string => text.replace(/[\\%_]/g, (letter) => `\\${letter}`);

function conditionOf({ cursor, q, state, version }: DeviceFilter): SQL | undefined {
  const reported = sql`${devices.reported}->'models'->0`;
  const conditions: (SQL | undefined)[] = [
    cursor === undefined ? undefined : gt(devices.id, cursor),
    q === undefined ? undefined : sql`(${ilike(devices.id, `%${escapeLike(q)}%`)} or ${devices.hello}->>'site' ilike ${`%${escapeLike(q)}%`})`,
    version === undefined ? undefined : sql`${reported}->'active'->>'version' = ${version}`,
  ];
  if (state === 'online') conditions.push(eq(devices.online, true));
  if (state === 'offline') conditions.push(and(eq(devices.online, false), eq(devices.state, 'ACTIVE')));
  if (state === 'revoked') conditions.push(eq(devices.state, 'REVOKED'));
  if (state === 'failed') conditions.push(sql`(${devices.reported}->'error' is not null or ${failsItsOrder})`);
  if (state === 'drifting')
    conditions.push(
      sql`exists (select 1 from ${alerts} where ${alerts.state} = 'OPEN' and ${reported}->'active'->>'version' = ${alerts.version}::text and ${alerts.body}->'devices' @> to_jsonb(${devices.id}))`,
    );
  return and(...conditions);
}

async function newestWindows(db: Db, ids: readonly string[], since: number): Promise<Map<string, NewestWindow>> {
  if (ids.length === 0) return new Map();
  const wanted = sql.join(
    ids.map((id) => sql`(${id})`),
    sql`, `,
  );
  const rows = await selectRows<NewestWindow>(
    db,
    sql`select newest.*, recent.* from (values ${wanted}) as wanted(id)
        cross join lateral (
          select device, model, version, from_at, to_at, run, p50_ms, p95_ms, drift, drift_statistic, body from ${windows}
          where device = wanted.id and to_at >= ${since} order by to_at desc limit 1) as newest
        cross join lateral (
          select sum(run)::float8 as recent_run, sum(bad)::float8 as recent_bad, sum(judged)::float8 as recent_judged, sum(wrong)::float8 as recent_wrong
          from ${windows} where device = newest.device and to_at >= ${since} and model = newest.model and version = newest.version) as recent`,
  );
  return new Map(rows.map((row) => [row.device, row]));
}

const driftKey = (device: string, model: string, version: number): string => `${device} ${model} ${version}`;

/** By device and the version that the alert is about: a device that runs another one by now does not drift. */
async function driftingDevices(db: Db): Promise<Map<string, string>> {
  const { statistic, model, version, body } = alerts;
  const open = await db.select({ statistic, model, version, body }).from(alerts).where(eq(alerts.state, 'OPEN'));
  const drifting = new Map<string, string>();
  for (const alert of open) {
    for (const id of (alert.body as { devices?: string[] }).devices ?? []) drifting.set(driftKey(id, alert.model, alert.version), alert.statistic);
  }
  return drifting;
}

function liveOf(window: NewestWindow): Device['live'] {
  const seconds = Math.max(Number(window.to_at) - Number(window.from_at), 1) / 1000;
  const confidence = decodeWindow(window.body)?.statistics.find(({ name }) => name === 'confidence');
  const confident = confidence?.counts.reduce((sum, value) => sum + value, 0) ?? 0;
  return {
    at: Number(window.to_at),
    inferencesPerS: window.run / seconds,
    p50Ms: window.p50_ms,
    p95Ms: window.p95_ms,
    badShare: window.recent_run === 0 ? null : window.recent_bad / window.recent_run,
    rightShare: window.recent_judged === 0 ? null : 1 - window.recent_wrong / window.recent_judged,
    meanConfidence: confidence === undefined || confident === 0 ? null : confidence.sum / confident,
  };
}

function driftOf(window: NewestWindow | undefined, alerting: string | undefined): Device['drift'] {
  const statistic = window?.drift_statistic ?? alerting ?? null;
  if (statistic === null) return null;
  return { statistic, effect: window?.drift ?? 0, alerting: alerting !== undefined };
}

function modelsOf(device: DeviceRow, wanted: DesiredRow | undefined): Device['models'] {
  const reported = device.reported?.models ?? [];
  const names = new Set([...reported.map(({ model }) => model as string), ...(wanted?.models ?? []).map(({ model }) => model as string)]);
  return [...names].sort().map((name) => {
    const is = reported.find(({ model }) => model === name);
    const last = is?.last;
    return {
      model: modelName.parse(name),
      version: is?.active?.version ?? null,
      variant: is?.active?.variant ?? null,
      measured: is?.active?.measured ?? [],
      desiredVersion: wanted?.models.find(({ model }) => model === name)?.version ?? null,
      phase: is?.phase ?? 'IDLE',
      progress: is?.target?.progress ?? null,
      last: last === undefined ? null : { version: last.version, outcome: last.outcome, code: last.code ?? null, detail: last.detail ?? null },
    };
  });
}

function deviceOf(row: DeviceRow, wanted: DesiredRow | undefined, window: NewestWindow | undefined, driftingBy: string | undefined): Device {
  const { hello, reported } = row;
  return {
    id: deviceId.parse(row.id),
    class: hello.class,
    site: hello.site,
    synthetic: hello.synthetic,
    state: row.state,
    online: row.online,
    lastSeenAt: row.lastSeenAt,
    joinedAt: row.joinedAt,
    agent: hello.agent,
    platform: `${hello.os} ${hello.arch}`,
    models: modelsOf(row, wanted),
    live: window === undefined ? null : liveOf(window),
    drift: driftOf(window, driftingBy),
    windows: { received: row.windowsReceived, missing: row.windowsMissing, dropped: row.windowsDropped },
    refused: { count: row.refusedCount, lastCode: row.refusedCode },
    error: reported?.error ?? null,
  };
}

function driftingBy({ id, reported }: DeviceRow, drifting: ReadonlyMap<string, string>): string | undefined {
  for (const { model, active } of reported?.models ?? []) {
    const statistic = active === undefined ? undefined : drifting.get(driftKey(id, model, active.version));
    if (statistic !== undefined) return statistic;
  }
  return undefined;
}

async function viewRows(db: Db, rows: readonly DeviceRow[], { windowMs, now }: ViewSettings): Promise<Device[]> {
  const ids = rows.map(({ id }) => id);
  if (ids.length === 0) return [];
  const wanted = await db.select().from(desired).where(inArray(desired.device, ids));
  const newest = await newestWindows(db, ids, now - freshMs(windowMs));
  const drifting = await driftingDevices(db);
  const intent = new Map(wanted.map((row) => [row.device, row]));
  return rows.map((row) => deviceOf(row, intent.get(row.id), row.online ? newest.get(row.id) : undefined, driftingBy(row, drifting)));
}

export async function listDevices(db: Db, filter: DeviceFilter, settings: ViewSettings): Promise<{ items: Device[]; next: string | null; total: number }> {
  const { cursor: _, ...unpaged } = filter;
  const rows = await db
    .select()
    .from(devices)
    .where(conditionOf(filter))
    .orderBy(asc(devices.id))
    .limit(filter.limit + 1);
  const total = await db.$count(devices, conditionOf(unpaged));
  const page = rows.slice(0, filter.limit);
  return { items: await viewRows(db, page, settings), next: rows.length > filter.limit ? (page.at(-1)?.id ?? null) : null, total };
}

/** Devices by name, in the order of their names; unknown names are left out. */
export async function findDevices(db: Db, ids: readonly string[], settings: ViewSettings): Promise<Device[]> {
  if (ids.length === 0) return [];
  const rows = await db
    .select()
    .from(devices)
    .where(inArray(devices.id, [...ids]))
    .orderBy(asc(devices.id));
  return viewRows(db, rows, settings);
}

export async function deviceHistory(db: Db, id: DeviceId, limit: number): Promise<DevicePoint[]> {
  const rows = await db
    .select()
    .from(windows)
    .where(eq(windows.device, id))
    .orderBy(sql`${windows.toAt} desc`)
    .limit(limit);
  return rows.reverse().map((row): DevicePoint => {
    const statistics = decodeWindow(row.body)?.statistics ?? [];
    const mean = (wanted: string): number | null => {
      const found = statistics.find(({ name }) => name === wanted);
      const frames = found?.counts.reduce((sum, value) => sum + value, 0) ?? 0;
      return found === undefined || frames === 0 ? null : found.sum / frames;
    };
    return {
      at: row.toAt,
      version: row.version,
      inferencesPerS: row.run / (Math.max(row.toAt - row.fromAt, 1) / 1000),
      p50Ms: row.p50Ms,
      p95Ms: row.p95Ms,
      badShare: row.run === 0 ? null : row.bad / row.run,
      meanConfidence: mean('confidence'),
      meanBrightness: mean('brightness'),
      drift: row.drift,
    };
  });
}

/** Identities of everything committed for a device, oldest first. */
export async function deviceWindows(db: Db, id: DeviceId, limit: number, cursor: string | undefined) {
  const [boot = '', seq = ''] = cursor === undefined ? [] : cursor.split(/\.(?=\d+$)/);
  const rows = await db
    .select({
      boot: windows.boot,
      seq: windows.seq,
      model: windows.model,
      version: windows.version,
      from: windows.fromAt,
      to: windows.toAt,
      run: windows.run,
      bad: windows.bad,
    })
    .from(windows)
    .where(and(eq(windows.device, id), cursor === undefined ? undefined : sql`(${windows.boot}, ${windows.seq}) > (${boot}, ${Number(seq)})`))
    .orderBy(asc(windows.boot), asc(windows.seq))
    .limit(limit + 1);
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return {
    items: page.map((row) => ({ ...row, model: modelName.parse(row.model) })),
    next: rows.length > limit && last !== undefined ? `${last.boot}.${last.seq}` : null,
  };
}
