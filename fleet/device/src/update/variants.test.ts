import { afterEach, beforeEach, expect, test } from 'vitest';
import { SerinError } from '@serin/protocol/errors';
import type { Variant } from '@serin/protocol/bundle/manifest';
import { createTestDevice, emptyMedium, type TestDevice, type TestDeviceOptions } from '../testing/test-device.ts';
import { createTestFleet, type TestFleet } from '../testing/test-fleet.ts';

let fleet: TestFleet;
let running: TestDevice[] = [];
beforeEach(async () => {
  fleet = await createTestFleet();
});
afterEach(async () => {
  await Promise.all(running.map(({ device }) => device.stop()));
  for (const { clock } of running) clock.stop();
  running = [];
});

async function start(options: Partial<TestDeviceOptions> = {}): Promise<TestDevice> {
  const started = createTestDevice({ fleet, ...options });
  running.push(started);
  await started.device.start();
  return started;
}

const both: readonly Variant[] = ['fp32', 'u8s8'];
const slowInt8 = { variants: { fp32: 5, u8s8: 9 } };

test('the variant that ran best is kept and reported with what was measured; the others are deleted', async () => {
  const medium = emptyMedium();
  const device = await start({ medium, behaviour: () => slowInt8 });
  device.link.deliver(await fleet.order(1, [await fleet.publish(1, { variants: both })]));
  const { active } = await device.settled(1);
  expect(device.runner.tried).toEqual([['u8s8', 'fp32']]);
  expect(active).toMatchObject({
    variant: 'fp32',
    measured: [
      { variant: 'u8s8', p50Ms: 9 },
      { variant: 'fp32', p50Ms: 5, bytes: 150_000 },
    ],
  });
  // Manifest, model and chunk list.
  await device.until('swept', () => medium.blobs.blobs.size === 3);
});

test('neither a restart nor going back measures again, and what was measured is still told', async () => {
  const medium = emptyMedium();
  const first = await start({ medium, behaviour: () => slowInt8 });
  const [one, two] = [await fleet.publish(1, { variants: both }), await fleet.publish(2, { variants: both })];
  first.link.deliver(await fleet.order(1, [one]));
  const { active } = await first.settled(1);
  first.link.deliver(await fleet.order(2, [two]));
  await first.settled(2);
  await first.device.stop();

  const second = await start({ medium, boot: 'again' });
  second.link.deliver(await fleet.order(3, [one]));
  const back = await second.settled(1);
  expect(second.runner.tried).toEqual([['fp32'], ['fp32']]);
  expect(back.active).toEqual(active);
  expect(second.source.sentBytes).toBe(0);
});

test.each([
  ['misses its golden vectors', 'GOLDEN_MISMATCH'],
  ['does not load', 'MODEL_LOAD_FAILED'],
] as const)('a variant that %s is out and its code is reported; a version fails only where all do', async (_, code) => {
  const device = await start({ behaviour: (version) => ({ variants: { u8s8: code, ...(version === 2 ? { fp32: code } : {}) } }) });
  device.link.deliver(await fleet.order(1, [await fleet.publish(1, { variants: both })]));
  expect((await device.settled(1)).active).toMatchObject({ variant: 'fp32', measured: [{ variant: 'u8s8', code }, { variant: 'fp32' }] });
  device.link.deliver(await fleet.order(2, [await fleet.publish(2, { variants: both })]));
  const report = await device.until('failed', ({ models }) => models[0]?.last?.version === 2);
  expect(report.models[0]).toMatchObject({ active: { version: 1, variant: 'fp32' }, last: { outcome: 'FAILED', code } });
});

test.each([
  ['the most promising one', 'u8s8', 'fp32', [['u8s8', 'fp32'], ['u8s8'], ['fp32']]],
  ['another one', 'fp32', 'u8s8', [['u8s8', 'fp32'], ['u8s8']]],
] as const)('a crash while %s is tried costs that one, not the version', async (_, bad, good, tried) => {
  const device = await start({ behaviour: () => ({ variants: { [bad]: 'INFERENCE_CRASHED' } }) });
  device.link.deliver(await fleet.order(1, [await fleet.publish(1, { variants: both })]));
  const { active } = await device.settled(1);
  expect(device.runner.tried).toEqual(tried);
  expect(active?.variant).toBe(good);
  expect(active?.measured?.find(({ variant }) => variant === bad)).toMatchObject({ code: 'INFERENCE_CRASHED' });
});

test('where the disk has no room for a comparison the most promising variant is installed without one', async () => {
  let openings = 0;
  const device = await start({
    wrap: (ports) => ({
      ...ports,
      store: {
        ...ports.store,
        // Manifest, chunk list, model; then it is full.
        openPart: (...wanted) => (++openings > 3 ? Promise.reject(new SerinError('DISK_FULL')) : ports.store.openPart(...wanted)),
      },
    }),
  });
  device.link.deliver(await fleet.order(1, [await fleet.publish(1, { variants: both })]));
  expect((await device.settled(1)).active).toMatchObject({ variant: 'u8s8' });
  expect(device.runner.tried).toEqual([['u8s8']]);
  expect(device.events.map(({ event }) => event)).toContain('variant left out');
});

test('as many variants are fetched as the settings allow', async () => {
  const device = await start({ candidates: { countMax: 1, bytesMax: 0 } });
  device.link.deliver(await fleet.order(1, [await fleet.publish(1, { variants: ['fp32', 'u8u8', 'u8s8'] })]));
  expect((await device.settled(1)).active?.variant).toBe('u8s8');
  expect(device.source.sentBytes).toBeLessThan(2 * 150_000);
});

test('a file of any variant that is not what was signed refuses the whole version', async () => {
  const device = await start();
  const order = await fleet.publish(1, { variants: both });
  device.source.tamper = (_digest, index, bytes) => (bytes.length > 60_000 && index === 1 && bytes[0] !== undefined ? bytes.map((byte) => byte ^ 1) : bytes);
  device.link.deliver(await fleet.order(1, [order]));
  const report = await device.until('refused', ({ models }) => models[0]?.last !== undefined);
  expect(report.models[0]?.last).toMatchObject({ outcome: 'REJECTED', code: 'BUNDLE_DIGEST_MISMATCH' });
});

test('a kept variant that was damaged gives way to the version before; ordered again, the variants are fetched and measured anew', async () => {
  const medium = emptyMedium();
  const first = await start({ medium });
  const [one, two] = [await fleet.publish(1, { variants: both }), await fleet.publish(2, { variants: both })];
  first.link.deliver(await fleet.order(1, [one]));
  await first.settled(1);
  first.link.deliver(await fleet.order(2, [two]));
  await first.settled(2);
  await first.device.stop();
  const { models } = JSON.parse(medium.documents.get('slots') ?? '') as { models: Record<string, { committed: { blobs: string[] } }> };
  for (const blob of models['picker']?.committed.blobs ?? []) {
    const bytes = medium.blobs.blobs.get(blob as never);
    if (bytes !== undefined && bytes.length > 100_000)
      medium.blobs.blobs.set(
        blob as never,
        bytes.map((byte) => byte ^ 1),
      );
  }
  const second = await start({ medium, boot: 'again', behaviour: () => slowInt8 });
  second.link.deliver(await fleet.order(2, [two]));
  expect((await second.settled(2)).active).toMatchObject({ variant: 'fp32', measured: [{ p50Ms: 9 }, { p50Ms: 5 }] });
  expect(second.runner.history).toEqual([1, 2]);
});
