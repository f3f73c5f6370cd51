import { expect, test } from 'vitest';
import type { Clock } from '@serin/device/ports';
import { SerinError } from '@serin/protocol/errors';
import type { Identity } from './identity.ts';
import { createRenewal, type Renewal } from './renewal.ts';
import { createTestAuthority } from './testing/authority.ts';
import { makeIdentity } from './testing/identity.ts';
import { recordLog } from './testing/log.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const start = 1_700_000_000_000;

/** Time passes only by sleeping, and at once. */
function createLeapingClock(): Clock {
  let now = start;
  return {
    now: () => now,
    elapsed: () => now - start,
    async sleep(durationMs, signal) {
      await new Promise((resolve) => setImmediate(resolve));
      if (signal?.aborted !== true) now += durationMs;
    },
  };
}

interface Bench {
  renewal: Renewal;
  /** When a renewal was tried, in days since the start. */
  tries: number[];
  adopted: Identity[];
  codes: unknown[];
  done: Promise<void>;
}

/** A certificate of 60 days that begins now, as does each that follows it; every `fails` answers a renewal fails. */
async function bench(fails: number, triesMax: number): Promise<Bench> {
  const authority = await createTestAuthority();
  const clock = createLeapingClock();
  const issue = async (): Promise<Identity> => ({
    ...(await makeIdentity(authority, 'cam-1', 'mqtts://127.0.0.1:1')),
    ...(await authority.issue('cam-1', { from: clock.now(), until: clock.now() + 60 * dayMs })),
  });
  let identity = await issue();
  const { log, lines } = recordLog();
  const made: Omit<Bench, 'renewal' | 'done' | 'codes'> = { tries: [], adopted: [] };
  let finish = (): void => {};
  const done = new Promise<void>((resolve) => (finish = resolve));
  const renewal = createRenewal({
    identity: () => identity,
    async renew() {
      made.tries.push((clock.now() - start) / dayMs);
      if (made.tries.length >= triesMax) finish();
      if (made.tries.length <= fails) throw new SerinError('SERVER_UNREACHABLE');
      return issue();
    },
    async adopt(renewed) {
      identity = renewed;
      made.adopted.push(renewed);
    },
    clock,
    random: () => 0.5,
    log,
  });
  return {
    ...made,
    renewal,
    done,
    get codes() {
      return lines.filter(({ level }) => level === 'warn').map(({ code }) => code);
    },
  };
}

test('a certificate is renewed when two thirds of its life are over, and so is the next', async () => {
  const { renewal, tries, adopted, done, codes } = await bench(0, 3);
  renewal.start();
  await done;
  await renewal.stop();
  expect(tries.map((day) => Math.round(day))).toEqual([40, 80, 120]);
  for (const [index, day] of tries.entries()) expect(day).toBeGreaterThanOrEqual(40 * (index + 1));
  expect(new Set(adopted.map(({ certificatePem }) => certificatePem)).size).toBe(adopted.length);
  expect(codes).toEqual([]);
});

test('a server that is away is asked again, at growing intervals of an hour at most, until it answers', async () => {
  const made = await bench(12, 14);
  made.renewal.start();
  await made.done;
  await made.renewal.stop();
  const waits = made.tries.slice(1, 13).map((day, index) => (day - (made.tries[index] ?? 0)) * dayMs);
  expect(Math.max(...waits)).toBeLessThanOrEqual(hourMs + 1);
  expect(waits.slice(0, 4).every((wait, index) => index === 0 || wait > (waits[index - 1] ?? 0))).toBe(true);
  expect(made.codes).toEqual(Array(12).fill('SERVER_UNREACHABLE'));
  expect(made.tries[13]).toBeGreaterThan(79);
});

test('stopped, it asks no more', async () => {
  const { renewal, tries, done } = await bench(0, 1);
  renewal.start();
  await done;
  await renewal.stop();
  const count = tries.length;
  await new Promise((resolve) => setImmediate(resolve));
  expect(tries.length).toBe(count);
});
