import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isMissing } from './harness/missing.ts';
import { startStack, bringUp, type Stack } from './harness/stack.ts';

/** What is lost at run time comes back by itself, and no evidence is lost meanwhile. */
describe.skipIf(isMissing('postgres', 'mosquitto'))('outages on the external stack', () => {
  let stack: Stack;

  beforeAll(async () => {
    stack = await startStack('external');
    await Promise.all([stack.startAgent('cam-1'), stack.startAgent('cam-2')]);
    await bringUp(stack, 2);
  }, 300_000);

  afterAll(async () => {
    await stack?.stop();
  }, 60_000);

  const received = async () => (await stack.devices()).map((device) => device.windows.received);

  async function expectCaughtUp(before: number[]): Promise<void> {
    await stack.feed.until('evidence flows again', async () => (await received()).every((count, index) => count > (before[index] ?? 0) + 3), 120_000);
    for (const device of await stack.devices()) {
      expect(device.windows.missing, `${device.id} lost windows`).toBe(0);
      expect(device.windows.dropped).toBe(0);
    }
  }

  test('the broker goes away and comes back', async () => {
    const before = await received();
    await stack.parts.broker?.stop();
    await stack.feed.until('the server knows', async () => (await fetch(`${stack.server().ready.httpUrl}/readyz`)).status === 503, 60_000);
    await stack.parts.broker?.start();
    await expectCaughtUp(before);
  }, 240_000);

  test('the database goes away and comes back', async () => {
    const before = await received();
    await stack.parts.database?.stop();
    await stack.feed.until('the server knows', async () => (await fetch(`${stack.server().ready.httpUrl}/readyz`)).status === 503, 60_000);
    await stack.parts.database?.start();
    await expectCaughtUp(before);
  }, 240_000);
});
