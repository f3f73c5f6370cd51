import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { corruptions, inject, isFound, judgeClean } from '../data/testing/corruptions.ts';
import { csvLine, drawOrders, orderColumns } from '../data/testing/tables.ts';
import type { Measured } from './validate/child.ts';

export const description = 'rows a second that a CSV larger than memory is read, profiled and validated at, and what of injected mistakes is found';

interface Report {
  readonly table: string[][];
  readonly figures: Record<string, number | string | boolean>;
}

const seed = 1;
const cleanPairs = 20;

/** Synthetic orders, written as they are drawn. */
async function writeOrders(file: string, rows: number): Promise<void> {
  const stream = createWriteStream(file);
  stream.write(csvLine(orderColumns));
  let lines = '';
  for (const order of drawOrders(seed, rows)) {
    lines += csvLine(order);
    if (lines.length < 2 ** 18) continue;
    if (!stream.write(lines)) await once(stream, 'drain');
    lines = '';
  }
  stream.end(lines);
  await once(stream, 'finish');
}

/** In a process of its own, so that its peak of memory is that of the work. */
async function measure(mode: 'scan' | 'read' | 'validate', file: string): Promise<Measured> {
  const child = fork(new URL('validate/child.js', import.meta.url), [mode, file]);
  const exit = once(child, 'exit');
  const [message] = (await Promise.race([
    once(child, 'message'),
    exit.then(([code]) => {
      throw new Error(`the measuring process ended with ${code}`);
    }),
  ])) as [Measured];
  await exit;
  return message;
}

async function measureFile(rows: number): Promise<{ bytes: number; scan: Measured; read: Measured; validated: Measured }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'serin-validate-'));
  try {
    const file = path.join(folder, 'orders.csv');
    await writeOrders(file, rows);
    const { size: bytes } = await stat(file);
    return { bytes, scan: await measure('scan', file), read: await measure('read', file), validated: await measure('validate', file) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function countFound(rows: number): Promise<{ found: number; unrelated: number; missed: string[] }> {
  let unrelated = 0;
  const missed: string[] = [];
  for (const corruption of corruptions) {
    const anomalies = await inject(corruption, seed, rows);
    if (!isFound(corruption, anomalies)) missed.push(corruption.name);
    unrelated += anomalies.filter(({ kind, column }) => kind !== corruption.kind || column !== corruption.column).length;
  }
  return { found: corruptions.length - missed.length, unrelated, missed };
}

async function countClean(): Promise<number> {
  let alarmed = 0;
  for (let pair = 0; pair < cleanPairs; pair += 1) if ((await judgeClean(pair)).length > 0) alarmed += 1;
  return alarmed;
}

const round = (value: number, digits = 0): number => Math.round(value * 10 ** digits) / 10 ** digits;

export async function run({ quick }: { quick: boolean }): Promise<Report> {
  const rows = quick ? 100_000 : 1_000_000;
  const { bytes, scan, read, validated } = await measureFile(rows);
  const { found, unrelated, missed } = await countFound(1500);
  const alarmed = await countClean();
  const line = (name: string, { seconds, cpuSeconds, rssMb }: Measured): string[] => [
    name,
    round(seconds, 2).toString(),
    round(cpuSeconds, 2).toString(),
    round(rows / seconds).toLocaleString('en'),
    round(bytes / 1e6 / seconds, 1).toString(),
    round(rssMb).toString(),
    `${round(seconds / scan.seconds, 1)}`,
  ];
  return {
    table: [
      [
        `${rows.toLocaleString('en')} rows x ${orderColumns.length} columns, ${round(bytes / 1e6)} MB`,
        's',
        'CPU s',
        'rows/s',
        'MB/s',
        'peak MB',
        'times the limit',
      ],
      line('limit: bytes read, ends of lines counted', scan),
      line('read into batches', read),
      line('read, profiled and validated', validated),
      ['', '', '', '', '', '', ''],
      ['injected mistakes found', `${found} of ${corruptions.length}`, missed.join(', '), '', '', '', ''],
      ['anomalies that were not injected', String(unrelated), '', '', '', '', ''],
      ['good sets with any anomaly', `${alarmed} of ${cleanPairs}`, '', '', '', '', ''],
    ],
    figures: {
      rows,
      columns: orderColumns.length,
      megabytes: round(bytes / 1e6, 1),
      seconds: round(validated.seconds, 2),
      cpuSeconds: round(validated.cpuSeconds, 2),
      rowsPerS: round(rows / validated.seconds),
      megabytesPerS: round(bytes / 1e6 / validated.seconds, 1),
      peakMb: round(validated.rssMb),
      readSeconds: round(read.seconds, 2),
      readPeakMb: round(read.rssMb),
      limitSeconds: round(scan.seconds, 2),
      overLimit: round(validated.seconds / scan.seconds, 1),
      anomaliesOfFile: validated.anomalies,
      injected: corruptions.length,
      found,
      unrelated,
      cleanPairs,
      cleanAlarmed: alarmed,
    },
  };
}
