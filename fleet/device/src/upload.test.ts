import { expect, test } from 'vitest';
import { SerinError } from '@serin/protocol/errors';
import type { TelemetryWindow } from '@serin/protocol/messages/telemetry';
import { createMemorySpool } from './memory/spool.ts';
import { VirtualClock } from './testing/virtual-clock.ts';
import { makeWindow } from './testing/windows.ts';
import { Upload } from './upload.ts';

/** A link that keeps what it was given; `refuse` may throw. */
function startUpload(windows: number, refuse: (batch: readonly TelemetryWindow[]) => void = () => {}) {
  const clock = new VirtualClock();
  const spool = createMemorySpool();
  const batches: number[][] = [];
  const link = {
    start: async () => {},
    stop: async () => {},
    report: async () => {},
    sendSample: async () => {},
    sendWindows: async (batch: readonly TelemetryWindow[]) => {
      refuse(batch);
      batches.push(batch.map(({ seq }) => seq));
    },
  };
  const upload = new Upload({ link, spool, clock, random: () => 0.5, log: () => {}, resendMs: 10_000 });
  const acknowledge = (numbers: readonly number[]) => upload.acknowledged(numbers.map((seq) => ['b', seq] as const));
  const fill = async (): Promise<void> => {
    for (let seq = 0; seq < windows; seq++) await spool.append(makeWindow('b', seq));
    upload.start();
  };
  return { clock, spool, batches, upload, acknowledge, fill };
}

test('one batch at a time, the next when every window of it is acknowledged', async () => {
  const { clock, spool, batches, upload, acknowledge, fill } = startUpload(100);
  await fill();
  await clock.advance(0);
  expect(batches).toEqual([]);
  upload.connected(true);
  await clock.advance(1);
  expect(batches.map(({ length }) => length)).toEqual([64]);
  await acknowledge(Array.from({ length: 63 }, (_, seq) => seq));
  await clock.advance(1);
  expect(batches).toHaveLength(1);
  await acknowledge([63]);
  await clock.advance(1);
  expect(batches.map(({ length }) => length)).toEqual([64, 36]);
  await acknowledge(batches[1] ?? []);
  await upload.stop();
  expect(spool.waiting()).toBe(0);
});

test('what is not acknowledged is sent again after a while, and at a new connection at once', async () => {
  const { clock, batches, upload, acknowledge, fill } = startUpload(2);
  await fill();
  upload.connected(true);
  await clock.advance(9_000);
  expect(batches).toEqual([[0, 1]]);
  await clock.advance(2_000);
  expect(batches).toEqual([
    [0, 1],
    [0, 1],
  ]);
  await acknowledge([0]);
  upload.connected(false);
  await clock.advance(60_000);
  upload.connected(true);
  await clock.advance(1);
  expect(batches.slice(2)).toEqual([[1]]);
  await upload.stop();
});

test('a window that comes while nothing waits goes out at once', async () => {
  const { clock, spool, batches, upload, fill } = startUpload(0);
  await fill();
  upload.connected(true);
  await clock.advance(1_000);
  await spool.append(makeWindow('b', 7));
  upload.wake();
  await clock.advance(1);
  expect(batches).toEqual([[7]]);
  await upload.stop();
});

test('batches that are too large for a message are halved; a window that never fits is left out', async () => {
  const { clock, spool, batches, upload, acknowledge, fill } = startUpload(8, (batch) => {
    if (batch.length > 2 || batch.some(({ seq }) => seq === 0)) throw new SerinError('MESSAGE_TOO_LARGE');
  });
  await fill();
  upload.connected(true);
  for (let round = 0; round < 12; round++) {
    await clock.advance(1);
    await acknowledge(batches.at(-1) ?? []);
  }
  await upload.stop();
  expect(batches.flat().toSorted((left, right) => left - right)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(spool.waiting()).toBe(0);
});

test('a connection that fails in the middle is tried again, nothing is lost', async () => {
  let failures = 3;
  const { clock, spool, batches, upload, fill } = startUpload(3, () => {
    if (failures-- > 0) throw new SerinError('BROKER_UNREACHABLE');
  });
  await fill();
  upload.connected(true);
  await clock.advance(10_000);
  expect(batches[0]).toEqual([0, 1, 2]);
  expect(spool.waiting()).toBe(3);
  await upload.stop();
});
