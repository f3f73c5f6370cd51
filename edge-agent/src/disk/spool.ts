import { mkdir, open, readdir, readFile, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import type { Spool } from '@serin/device/ports';
import { asSerinError, SerinError } from '@serin/protocol/errors';
import { telemetryWindow, type TelemetryWindow } from '@serin/protocol/messages/telemetry';
import { z } from 'zod/mini';
import { hasCode, syncFolder, writeFileDurably, writeWhole } from '@serin/node/files';
import { frameRecord, readRecords } from './records.ts';

export interface DiskSpoolOptions {
  folder: string;
  bytesMax: number;
}

export type DiskSpool = Spool & { close(): Promise<void> };

interface Entry {
  id: string;
  segment: Segment;
  offset: number;
  length: number;
}

interface Segment {
  number: number;
  sizeBytes: number;
  waiting: number;
}

/** What was dropped, with the last segment that is gone: a crash between counting and deleting counts once. */
const lossRecord = z.object({ dropped: z.int().check(z.gte(0)), through: z.int().check(z.gte(0)) });

/** An acknowledged segment that is still written to is kept below this, so that a quiet device makes no new file for every window. */
const keepBytesMax = 16 * 1024;
const segmentsMax = 4096;

const idOf = (boot: string, seq: number): string => `${boot}/${seq}`;
const segmentName = /^(\d{10})\.spool$/;
const fileName = (number: number): string => `${String(number).padStart(10, '0')}.spool`;

/**
 * Windows in append-only segments, each with its checksum; a segment is deleted once every window in it is acknowledged.
 * Acknowledgements themselves are not written: after a crash some windows are sent again, and the server knows them.
 * A process only ever appends to segments of its own, so what an earlier one left half-written is never built upon.
 */
export async function openSpool({ folder, bytesMax }: DiskSpoolOptions): Promise<DiskSpool> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const lossFile = path.join(folder, 'dropped.json');
  const segmentBytesMax = Math.max(keepBytesMax, Math.min(256 * 1024, Math.floor(bytesMax / 8)));
  const fileOf = (segment: Segment): string => path.join(folder, fileName(segment.number));

  const segments: Segment[] = [];
  /** In order of arrival. */
  const entries = new Map<string, Entry>();
  let loss = await readLoss(lossFile);
  let usedBytes = 0;
  let nextNumber = loss.through + 1;
  let active: { segment: Segment; handle: FileHandle } | undefined;

  for (const number of (await readdir(folder))
    .flatMap((name) => segmentName.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b)) {
    const file = path.join(folder, fileName(number));
    nextNumber = Math.max(nextNumber, number + 1);
    const segment: Segment = { number, sizeBytes: 0, waiting: 0 };
    if (number > loss.through) {
      const bytes = await readFile(file);
      segment.sizeBytes = bytes.length;
      let unreadable = 0;
      for (const record of readRecords(bytes)) {
        const window = record.payload === undefined ? undefined : parseWindow(record.payload);
        if (window === undefined) unreadable++;
        else enter(segment, window, record.offset, record.length);
      }
      if (unreadable > 0) loss = { ...loss, dropped: loss.dropped + unreadable };
    }
    if (segment.waiting === 0) await rm(file, { force: true });
    else {
      segments.push(segment);
      usedBytes += segment.sizeBytes;
    }
  }

  function enter(segment: Segment, window: TelemetryWindow, offset: number, length: number): void {
    const id = idOf(window.boot, window.seq);
    if (entries.has(id)) return;
    entries.set(id, { id, segment, offset, length });
    segment.waiting++;
  }

  /** The disk lost it since it was written: one window less, not a queue that never moves. */
  function forgetUnreadable(entry: Entry): void {
    entries.delete(entry.id);
    entry.segment.waiting--;
    loss = { ...loss, dropped: loss.dropped + 1 };
  }

  async function removeSegment(segment: Segment): Promise<void> {
    if (active?.segment === segment) {
      await active.handle.close();
      active = undefined;
    }
    segments.splice(segments.indexOf(segment), 1);
    usedBytes -= segment.sizeBytes;
    await rm(fileOf(segment), { force: true });
  }

  /** Counts first, durably where the disk lets it, then deletes. */
  async function dropOldest(): Promise<boolean> {
    const [oldest] = segments;
    if (oldest === undefined) return false;
    loss = { dropped: loss.dropped + oldest.waiting, through: oldest.number };
    await writeFileDurably(lossFile, JSON.stringify(loss)).catch((error: unknown) => {
      // Deleting is what makes room again; the count is written with the next one.
      if (!hasCode(error, 'ENOSPC')) throw error;
    });
    for (const [id, entry] of entries) if (entry.segment === oldest) entries.delete(id);
    await removeSegment(oldest);
    return true;
  }

  async function openActive(): Promise<{ segment: Segment; handle: FileHandle }> {
    if (active !== undefined && active.segment.sizeBytes < segmentBytesMax) return active;
    await active?.handle.close();
    active = undefined;
    const segment: Segment = { number: nextNumber++, sizeBytes: 0, waiting: 0 };
    const handle = await open(fileOf(segment), 'wx', 0o600);
    active = { segment, handle };
    segments.push(segment);
    await syncFolder(folder);
    return active;
  }

  async function writeRecord(window: TelemetryWindow, record: Uint8Array): Promise<void> {
    const { segment, handle } = await openActive();
    const offset = segment.sizeBytes;
    try {
      await writeWhole(handle, record, offset);
      await handle.datasync();
    } catch (error) {
      // What is after the last whole record is ignored when read; the next record goes over it.
      await handle.truncate(offset).catch(() => undefined);
      throw error;
    }
    segment.sizeBytes += record.length;
    usedBytes += record.length;
    enter(segment, window, offset, record.length);
  }

  async function append(window: TelemetryWindow): Promise<void> {
    if (entries.has(idOf(window.boot, window.seq))) return;
    const record = frameRecord(Buffer.from(JSON.stringify(window)));
    if (record.length > bytesMax) {
      loss = { ...loss, dropped: loss.dropped + 1 };
      throw new SerinError('SPOOL_OVERFLOW', { detail: `one window of ${record.length} bytes, limit ${bytesMax}` });
    }
    while (usedBytes + record.length > bytesMax || segments.length > segmentsMax) if (!(await dropOldest())) break;
    for (;;) {
      try {
        return await writeRecord(window, record);
      } catch (error) {
        if (hasCode(error, 'ENOSPC') && (await dropOldest())) continue;
        loss = { ...loss, dropped: loss.dropped + 1 };
        throw asSerinError(error);
      }
    }
  }

  let queue: Promise<unknown> = Promise.resolve();
  const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const turn = queue.then(work);
    queue = turn.catch(() => undefined);
    return turn;
  };

  return {
    append: (window) => inTurn(() => append(window)),
    peek: (limit) =>
      inTurn(async () => {
        const oldest: Entry[] = [];
        for (const entry of entries.values()) {
          if (oldest.length >= limit) break;
          oldest.push(entry);
        }
        const windows: TelemetryWindow[] = [];
        for (const [entry, window] of await readEntries(oldest, fileOf)) {
          if (window === undefined) forgetUnreadable(entry);
          else windows.push(window);
        }
        return windows;
      }),
    acknowledge: (windows) =>
      inTurn(async () => {
        const touched = new Set<Segment>();
        for (const [boot, seq] of windows) {
          const entry = entries.get(idOf(boot, seq));
          if (entry === undefined) continue;
          entries.delete(entry.id);
          entry.segment.waiting--;
          touched.add(entry.segment);
        }
        for (const segment of touched) {
          const isKept = segment === active?.segment && segment.sizeBytes < keepBytesMax;
          if (segment.waiting === 0 && !isKept) await removeSegment(segment);
        }
      }),
    waiting: () => entries.size,
    dropped: () => loss.dropped,
    close: () =>
      inTurn(async () => {
        if (active === undefined) return;
        if (active.segment.waiting === 0) await removeSegment(active.segment);
        else await active.handle.close();
        active = undefined;
      }),
  };
}

async function readLoss(file: string): Promise<z.infer<typeof lossRecord>> {
  try {
    return lossRecord.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    // Absent, or damaged: counting starts again rather than nothing being sent any more.
    return { dropped: 0, through: 0 };
  }
}

function parseWindow(payload: Uint8Array): TelemetryWindow | undefined {
  try {
    return telemetryWindow.parse(JSON.parse(Buffer.from(payload).toString('utf8')));
  } catch {
    return undefined;
  }
}

/** Reads entries back, opening each segment once. */
async function readEntries(wanted: readonly Entry[], fileOf: (segment: Segment) => string): Promise<[Entry, TelemetryWindow | undefined][]> {
  const found: [Entry, TelemetryWindow | undefined][] = [];
  let current: { segment: Segment; bytes: Uint8Array } | undefined;
  for (const entry of wanted) {
    if (current?.segment !== entry.segment) current = { segment: entry.segment, bytes: await readFile(fileOf(entry.segment)).catch(() => new Uint8Array()) };
    const [record] = readRecords(current.bytes.subarray(entry.offset, entry.offset + entry.length));
    found.push([entry, record?.payload === undefined ? undefined : parseWindow(record.payload)]);
  }
  return found;
}
