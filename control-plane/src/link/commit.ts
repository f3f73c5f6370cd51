import { inArray, sql } from 'drizzle-orm';
import type { DeviceId } from '@serin/protocol/ids';
import type { TelemetryWindow } from '@serin/protocol/messages/telemetry';
import { devices } from '../store/schema.ts';
import { selectRows, type Db } from '../store/store.ts';
import { extendSpan, type Span } from './gaps.ts';
import { isOlder, type DeviceNews, type Inbox } from './inbox.ts';
import { applyStatus, type Presence } from './presence.ts';
import { keepSamples } from './samples.ts';
import { windowRow, type WindowDrift, type WindowRow } from './window-rows.ts';

/** Memory beside the rows; all of it can be lost. */
export interface CommitMemory {
  /** The stamp of the last accepted status, by device. */
  statusTs: Map<string, number>;
  spans: Map<string, Span>;
}

export interface CommitOptions {
  receivedAt: number;
  memory: CommitMemory;
  /** Drift of a window against its version's profile, where that is known. */
  driftOf(device: DeviceId, window: TelemetryWindow): WindowDrift | null;
  samplesPerModelMax: number;
}

export interface Committed {
  /** Devices whose rows changed. */
  devices: DeviceId[];
  /** Per device, the windows that are in the database now, those that were there before included. */
  acknowledged: Map<DeviceId, [boot: string, seq: number][]>;
  windowsInserted: number;
  /** Devices whose report was older than the one in the database. */
  stale: DeviceId[];
  /** To be taken over once the transaction is durable. */
  memory: CommitMemory;
  ignored: number;
}

interface KnownDevice {
  id: DeviceId;
  online: boolean;
  boot: string | null;
  conn: number;
  reported: { boot: string; seq: number } | null;
}

interface DeviceTally {
  id: DeviceId;
  received: number;
  missing: number;
  dropped: number;
  refused: number;
  refusedCode: string | null;
}

const columnOf = <Row, Value>(rows: readonly Row[], pick: (row: Row) => Value) => sql.param(rows.map(pick));

/** Everything that came since the last time, in the caller's transaction. What it learns must be forgotten if that fails. */
export async function commitInbox(tx: Db, inbox: Inbox, options: CommitOptions): Promise<Committed> {
  const known = await knownDevices(tx, [...inbox.keys()]);
  const accepted = [...inbox].filter(([device]) => known.has(device));
  const memory: CommitMemory = { statusTs: new Map(), spans: new Map() };
  for (const [device, news] of accepted) await commitState(tx, known.get(device)!, news, options, memory);
  const rows = accepted.flatMap(([device, { windows }]) =>
    onceEach(windows).map((window) => ({ ...windowRow(device, window), drift: options.driftOf(device, window) })),
  );
  const spans = await spansOf(tx, rows, options.memory);
  const inserted = await insertWindows(tx, rows, options.receivedAt);
  const tallies = new Map(
    accepted.map(([id, news]): [DeviceId, DeviceTally] => [
      id,
      { id, received: 0, missing: 0, dropped: news.dropped, refused: news.refused, refusedCode: news.refusedCode ?? null },
    ]),
  );
  for (const { device, boot, seq } of inserted) {
    const tally = tallies.get(device)!;
    const key = `${device} ${boot}`;
    const { span, missing } = extendSpan(spans.get(key), seq);
    spans.set(key, span);
    memory.spans.set(key, span);
    tally.received++;
    tally.missing += missing;
  }
  await updateTallies(tx, [...tallies.values()], options.receivedAt);
  await keepSamples(
    tx,
    accepted.flatMap(([device, { samples }]) => samples.map((sample) => ({ device, sample }))),
    options.samplesPerModelMax,
  );
  return {
    devices: accepted.map(([device]) => device),
    acknowledged: new Map(
      accepted.flatMap(([device, { windows }]) =>
        windows.length === 0 ? [] : [[device, windows.map(({ boot, seq }): [string, number] => [boot, seq])] as const],
      ),
    ),
    windowsInserted: inserted.length,
    stale: accepted.flatMap(([id, { reported }]) => (reported !== undefined && isOlder(reported, known.get(id)?.reported) ? [id] : [])),
    memory,
    ignored: inbox.size - accepted.length,
  };
}

/** Unknown and revoked devices are not among them: what they say changes nothing. */
async function knownDevices(tx: Db, ids: readonly DeviceId[]): Promise<Map<string, KnownDevice>> {
  if (ids.length === 0) return new Map();
  const { id, state, online, boot, conn } = devices;
  const rows = await tx
    .select({
      id,
      state,
      online,
      boot,
      conn,
      reportedBoot: sql<string | null>`${devices.reported}->>'boot'`,
      reportedSeq: sql<string | null>`${devices.reported}->>'seq'`,
    })
    .from(devices)
    .where(inArray(devices.id, [...ids]));
  return new Map(
    rows
      .filter((row) => row.state === 'ACTIVE')
      .map((row) => [
        row.id,
        { ...row, id: row.id as DeviceId, reported: row.reportedBoot === null ? null : { boot: row.reportedBoot, seq: Number(row.reportedSeq) } },
      ]),
  );
}

async function commitState(tx: Db, known: KnownDevice, news: DeviceNews, { receivedAt, memory }: CommitOptions, learnt: CommitMemory): Promise<void> {
  let presence: Presence = { online: known.online, boot: known.boot, conn: known.conn, ts: memory.statusTs.get(known.id) ?? null };
  let hello;
  for (const status of news.statuses) {
    const next = applyStatus(presence, status);
    if (next === undefined) continue;
    presence = next;
    hello = status.hello ?? hello;
  }
  if (presence.ts !== null) learnt.statusTs.set(known.id, presence.ts);
  const reported = news.reported !== undefined && !isOlder(news.reported, known.reported) ? news.reported : undefined;
  const changed = {
    ...(news.statuses.length === 0 ? {} : { online: presence.online, boot: presence.boot, conn: presence.conn }),
    ...(hello === undefined ? {} : { hello }),
    ...(reported === undefined ? {} : { reported, reportedAt: receivedAt }),
  };
  if (Object.keys(changed).length === 0) return;
  await tx
    .update(devices)
    .set(changed)
    .where(sql`${devices.id} = ${known.id} and ${devices.state} = 'ACTIVE'`);
}

/** A device may send a window twice before it is acknowledged, even in one batch. */
function onceEach(windows: readonly TelemetryWindow[]): TelemetryWindow[] {
  return [...new Map(windows.map((window) => [`${window.boot} ${window.seq}`, window])).values()];
}

/** Known spans from memory, those of boots not met since the start from the rows. */
async function spansOf(tx: Db, rows: readonly WindowRow[], memory: CommitMemory): Promise<Map<string, Span>> {
  const spans = new Map<string, Span>();
  const unmet = new Map<string, WindowRow>();
  for (const row of rows) {
    const key = `${row.device} ${row.boot}`;
    const span = memory.spans.get(key);
    if (span === undefined) unmet.set(key, row);
    else spans.set(key, span);
  }
  const asked = [...unmet.values()];
  if (asked.length === 0) return spans;
  const found = await selectRows<{ device: string; boot: string; least: string | null; most: string | null }>(
    tx,
    sql`select asked.device, asked.boot,
          (select min(seq) from windows w where w.device = asked.device and w.boot = asked.boot) as least,
          (select max(seq) from windows w where w.device = asked.device and w.boot = asked.boot) as most
        from unnest(${columnOf(asked, (row) => row.device)}::text[], ${columnOf(asked, (row) => row.boot)}::text[]) as asked(device, boot)`,
  );
  for (const { device, boot, least, most } of found)
    if (least !== null && most !== null) spans.set(`${device} ${boot}`, { least: Number(least), most: Number(most) });
  return spans;
}

async function insertWindows(
  tx: Db,
  rows: readonly (WindowRow & { drift: WindowDrift | null })[],
  receivedAt: number,
): Promise<{ device: DeviceId; boot: string; seq: number }[]> {
  if (rows.length === 0) return [];
  const inserted = await selectRows<{ device: DeviceId; boot: string; seq: string | number }>(
    tx,
    sql`insert into windows (device, boot, seq, model, version, from_at, to_at, received_at, run, bad, judged, wrong, p50_ms, p95_ms, drift, drift_statistic, body)
        select device, boot, seq, model, version, from_at, to_at, ${receivedAt}::bigint, run, bad, judged, wrong, p50_ms, p95_ms, drift, drift_statistic, body
        from unnest(
          ${columnOf(rows, (row) => row.device)}::text[], ${columnOf(rows, (row) => row.boot)}::text[], ${columnOf(rows, (row) => row.seq)}::bigint[],
          ${columnOf(rows, (row) => row.model)}::text[], ${columnOf(rows, (row) => row.version)}::int[],
          ${columnOf(rows, (row) => row.fromAt)}::bigint[], ${columnOf(rows, (row) => row.toAt)}::bigint[],
          ${columnOf(rows, (row) => row.run)}::int[], ${columnOf(rows, (row) => row.bad)}::int[],
          ${columnOf(rows, (row) => row.judged)}::int[], ${columnOf(rows, (row) => row.wrong)}::int[],
          ${columnOf(rows, (row) => row.p50Ms)}::float8[], ${columnOf(rows, (row) => row.p95Ms)}::float8[],
          ${columnOf(rows, (row) => row.drift?.effect ?? null)}::float8[], ${columnOf(rows, (row) => row.drift?.statistic ?? null)}::text[],
          ${columnOf(rows, (row) => row.body)}::bytea[]
        ) as came(device, boot, seq, model, version, from_at, to_at, run, bad, judged, wrong, p50_ms, p95_ms, drift, drift_statistic, body)
        on conflict do nothing
        returning device, boot, seq`,
  );
  return inserted.map((row) => ({ ...row, seq: Number(row.seq) })).sort((left, right) => left.seq - right.seq);
}

async function updateTallies(tx: Db, tallies: readonly DeviceTally[], receivedAt: number): Promise<void> {
  if (tallies.length === 0) return;
  await tx.execute(
    sql`update devices as d set
          last_seen_at = ${receivedAt}::bigint,
          windows_received = d.windows_received + came.received,
          windows_missing = greatest(0, d.windows_missing + came.missing),
          windows_dropped = greatest(d.windows_dropped, came.dropped),
          refused_count = d.refused_count + came.refused,
          refused_code = coalesce(came.refused_code, d.refused_code)
        from unnest(
          ${columnOf(tallies, (tally) => tally.id)}::text[], ${columnOf(tallies, (tally) => tally.received)}::bigint[],
          ${columnOf(tallies, (tally) => tally.missing)}::bigint[], ${columnOf(tallies, (tally) => tally.dropped)}::bigint[],
          ${columnOf(tallies, (tally) => tally.refused)}::bigint[], ${columnOf(tallies, (tally) => tally.refusedCode)}::text[]
        ) as came(id, received, missing, dropped, refused, refused_code)
        where d.id = came.id and d.state = 'ACTIVE'`,
  );
}
