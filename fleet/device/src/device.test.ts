import { afterEach, beforeEach, expect, test } from 'vitest';
import { SerinError } from '@serin/protocol/errors';
import { createTestDevice, emptyMedium, type TestDevice, type TestDeviceOptions } from './testing/test-device.ts';
import { createTestFleet, testNow, type TestFleet } from './testing/test-fleet.ts';

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

test('a device installs what it is ordered, proves it on its own frames and commits', async () => {
  const device = await start();
  device.link.deliver(await fleet.order(1, [await fleet.publish(1)]));
  const model = await device.settled(1);
  expect(model).toMatchObject({ last: { version: 1, outcome: 'COMMITTED' }, active: { version: 1, variant: 'fp32' } });
  expect(device.link.reports.at(-1)?.rev).toBe(1);

  device.link.deliver(await fleet.order(2, [await fleet.publish(2)]));
  await device.settled(2);
  expect(device.runner.history).toEqual([1, 2]);
  const phases = device.link.reports.flatMap(({ models }) => models.map(({ phase }) => phase));
  expect(phases).toContain('PROVISIONAL');
});

test('going back to the version before needs no download', async () => {
  const device = await start();
  const [first, second] = [await fleet.publish(1), await fleet.publish(2)];
  device.link.deliver(await fleet.order(1, [first]));
  await device.settled(1);
  device.link.deliver(await fleet.order(2, [second]));
  await device.settled(2);
  const { sentBytes } = device.source;
  device.link.deliver(await fleet.order(3, [first]));
  expect(await device.settled(1)).toMatchObject({ last: { version: 1, outcome: 'COMMITTED' } });
  expect(device.source.sentBytes).toBe(sentBytes);
});

test('a version signed by a stranger is refused, and the old one serves on', async () => {
  const device = await start();
  device.link.deliver(await fleet.order(1, [await fleet.publish(1)]));
  await device.settled(1);
  device.link.deliver(await fleet.order(2, [await fleet.publish(2, { signedBy: await fleet.newKey() })]));
  const report = await device.until('refused', ({ models }) => models[0]?.last?.outcome === 'REJECTED');
  expect(report.models[0]).toMatchObject({ active: { version: 1 }, last: { version: 2, code: 'BUNDLE_SIGNATURE_INVALID' } });
  expect(device.runner.history).toEqual([1]);
});

test.for([
  ['another version inside', { change: (manifest: object) => ({ ...manifest, version: 9 }) }, 'BUNDLE_WRONG_FLEET'],
  ['a newer agent needed', { change: (manifest: object) => ({ ...manifest, minAgent: '9.0.0' }) }, 'BUNDLE_TOO_NEW'],
] as const)('a manifest with %s is refused', async ([, { change }, code]) => {
  const device = await start();
  device.link.deliver(await fleet.order(1, [await fleet.publish(1, { change: change as never })]));
  const report = await device.until('refused', ({ models }) => models[0]?.last?.outcome === 'REJECTED');
  expect(report.models[0]?.last?.code).toBe(code);
  expect(device.runner.history).toEqual([]);
});

test('chunks that come wrong once are asked for again; a blob that is wrong itself is refused', async () => {
  const device = await start();
  let wrong = 2;
  device.source.tamper = (_digest, _index, bytes) => (bytes.length > 60_000 && wrong-- > 0 ? bytes.map((byte) => byte ^ 1) : bytes);
  device.link.deliver(await fleet.order(1, [await fleet.publish(1)]));
  await device.settled(1);

  device.source.tamper = (_digest, index, bytes) => (bytes.length > 60_000 && index === 1 ? bytes.map((byte) => byte ^ 1) : bytes);
  device.link.deliver(await fleet.order(2, [await fleet.publish(2)]));
  const report = await device.until('refused', ({ models }) => models[0]?.last?.outcome === 'REJECTED');
  expect(report.models[0]).toMatchObject({ active: { version: 1 }, last: { version: 2, code: 'BUNDLE_DIGEST_MISMATCH' } });
});

test('a manifest that is not the ordered one is refused', async () => {
  const device = await start();
  const model = await fleet.publish(1);
  fleet.blobs.set(model.manifest.sha256, fleet.blobs.get(model.manifest.sha256)?.map((byte, index) => (index === 5 ? byte ^ 1 : byte)) ?? new Uint8Array());
  device.link.deliver(await fleet.order(1, [model]));
  const report = await device.until('refused', ({ models }) => models[0]?.last !== undefined);
  expect(report.models[0]?.last).toMatchObject({ outcome: 'REJECTED', code: 'BUNDLE_DIGEST_MISMATCH' });
});

test('a download that stalls goes on by itself, and gives up within its attempts', async () => {
  const device = await start();
  device.source.stalls = 3;
  device.link.deliver(await fleet.order(1, [await fleet.publish(1)]));
  await device.settled(1);
  device.source.stalls = 1000;
  device.link.deliver(await fleet.order(2, [await fleet.publish(2)]));
  const report = await device.until('given up', ({ models }) => models[0]?.last?.version === 2);
  expect(report.models[0]).toMatchObject({ active: { version: 1 }, last: { outcome: 'FAILED', code: 'TRANSFER_BUDGET_SPENT' } });

  device.source.stalls = 0;
  device.link.newServer();
  await device.settled(2);
});

test('a full disk is waited out, and told once', async () => {
  let isFull = true;
  let refusals = 0;
  const device = await start({
    wrap: (ports) => ({
      ...ports,
      store: {
        ...ports.store,
        openPart: (...wanted) => (isFull ? Promise.reject(new SerinError('DISK_FULL', { detail: `${++refusals} times` })) : ports.store.openPart(...wanted)),
      },
    }),
  });
  const told = () => device.events.filter(({ event }) => event === 'update step failed').map(({ fields }) => fields?.['code']);
  device.link.deliver(await fleet.order(1, [await fleet.publish(1)]));
  await device.until('refused thrice', () => refusals >= 3);
  expect(told()).toEqual(['DISK_FULL']);
  isFull = false;
  await device.settled(1);
  isFull = true;
  device.link.deliver(await fleet.order(2, [await fleet.publish(2)]));
  await device.until('full again', () => told().length === 2);
});

test('a source that only sends rubbish is left when the budget of bytes is spent', async () => {
  const device = await start();
  device.source.tamper = (_digest, index, bytes) => (bytes.length > 60_000 ? new Uint8Array(5_000_000 + index) : bytes);
  device.link.deliver(await fleet.order(1, [await fleet.publish(1)]));
  const report = await device.until('given up', ({ models }) => models[0]?.last !== undefined);
  expect(report.models[0]?.last).toMatchObject({ outcome: 'FAILED', code: 'TRANSFER_BUDGET_SPENT' });
});

test.for([
  ['does not load', { warm: 'MODEL_LOAD_FAILED' }, 'FAILED', 'MODEL_LOAD_FAILED'],
  ['misses its golden vectors', { warm: 'GOLDEN_MISMATCH' }, 'FAILED', 'GOLDEN_MISMATCH'],
  ['crashes when loaded', { warm: 'INFERENCE_CRASHED' }, 'FAILED', 'INFERENCE_CRASHED'],
  ['answers what is no number', { counters: { nonFinite: 1 } }, 'ROLLED_BACK', 'PROBATION_FAILED'],
  ['fails on a frame', { counters: { failed: 1 } }, 'ROLLED_BACK', 'PROBATION_FAILED'],
  ['sees no frame in its time', { isSilent: true }, 'ROLLED_BACK', 'PROBATION_FAILED'],
  ['crashes while it serves', { crashesAfterMs: 500 }, 'ROLLED_BACK', 'INFERENCE_CRASHED'],
] as const)('a version that %s is given up, and the old one serves', async ([, bad, outcome, code]) => {
  const device = await start({ behaviour: (version) => (version === 2 ? bad : {}) });
  device.link.deliver(await fleet.order(1, [await fleet.publish(1)]));
  await device.settled(1);
  device.link.deliver(await fleet.order(2, [await fleet.publish(2)]));
  const report = await device.until('given up', ({ models }) => models[0]?.last?.version === 2 && models[0].active?.version === 1);
  expect(report.models[0]).toMatchObject({ phase: 'IDLE', last: { outcome, code } });
  expect(device.runner.active.get('picker')?.manifest.version).toBe(1);
});

test('what failed is not tried again under the same order, only under a newer one', async () => {
  let isBad = true;
  const device = await start({ behaviour: (version) => (version === 1 && isBad ? { warm: 'GOLDEN_MISMATCH' } : {}) });
  const model = await fleet.publish(1);
  const order = await fleet.order(1, [model]);
  device.link.deliver(order);
  await device.until('failed', ({ models }) => models[0]?.last?.outcome === 'FAILED');
  isBad = false;
  const { sentBytes } = device.source;
  const before = device.link.reports.length;
  device.link.deliver(order);
  await device.until('reported again', () => device.link.reports.length > before);
  // A newer revision that is no newer order: signed at the same time as the one that failed.
  device.link.deliver(await fleet.order(2, [model], { issuedAt: testNow + 1 }));
  await device.until('revision 2', ({ rev }) => rev === 2);
  expect([device.source.sentBytes, device.runner.history]).toEqual([sentBytes, []]);

  device.link.deliver(await fleet.order(3, [model]));
  await device.settled(1);
});

test('a newer order replaces an update under way, in every phase', async () => {
  const [first, second, third] = [await fleet.publish(1), await fleet.publish(2), await fleet.publish(3)];
  for (const phase of ['DOWNLOADING', 'PROVISIONAL'] as const) {
    const device = await start({ behaviour: (version) => (version === 2 ? { isSilent: true } : {}) });
    device.link.deliver(await fleet.order(1, [first]));
    await device.settled(1);
    if (phase === 'DOWNLOADING') device.source.stalls = 1000;
    device.link.deliver(await fleet.order(2, [second]));
    await device.until(phase, ({ models }) => models[0]?.phase === phase);
    device.source.stalls = 0;
    device.link.deliver(await fleet.order(3, [third]));
    expect(await device.settled(3)).toMatchObject({ last: { version: 3, outcome: 'COMMITTED' } });
  }
});

test('an older revision is ignored, an equal one answered with a report', async () => {
  const device = await start();
  const [first, second] = [await fleet.publish(1), await fleet.publish(2)];
  const newest = await fleet.order(5, [second]);
  device.link.deliver(newest);
  await device.settled(2);
  const before = device.link.reports.length;
  device.link.deliver(await fleet.order(4, [first]));
  device.link.deliver(newest);
  await device.until('answered', () => device.link.reports.length > before);
  expect(device.link.reports.at(-1)).toMatchObject({ rev: 5, models: [{ active: { version: 2 } }] });
  expect(device.runner.history).toEqual([2]);
});

test('an order signed by a stranger, or for another device, changes nothing and is reported', async () => {
  const device = await start();
  const model = await fleet.publish(1);
  const other = await createTestFleet();
  device.link.deliver(await other.order(1, [model]));
  await device.until('reported', ({ error }) => error?.code === 'SIGNATURE_INVALID');
  device.link.deliver(await fleet.order(1, [model], { device: 'cam-2' as never }));
  await device.until('reported', ({ error }) => error?.detail.includes('cam-2') === true);
  expect(device.link.reports.at(-1)?.rev).toBe(0);
  device.link.deliver(await fleet.order(1, [model]));
  await device.settled(1);
  expect(device.link.reports.at(-1)?.error).toBeUndefined();
});

test('an expired order installs nothing new and what runs runs on', async () => {
  const device = await start();
  device.link.deliver(await fleet.order(1, [await fleet.publish(1)]));
  await device.settled(1);
  device.link.deliver(await fleet.order(2, [await fleet.publish(2)], { expires: testNow }));
  const report = await device.until('reported', ({ error }) => error?.code === 'METADATA_EXPIRED');
  expect(report.models[0]).toMatchObject({ phase: 'IDLE', active: { version: 1 } });
});

test('a director that was replaced is followed through the next keyset, never past a version', async () => {
  const device = await start();
  await fleet.rotate();
  const model = await fleet.publish(1);
  device.link.deliver(await fleet.order(1, [model]));
  await device.settled(1);

  await fleet.rotate();
  await fleet.rotate();
  device.link.deliver(await fleet.order(2, [model]));
  await device.until('refused', ({ error }) => error?.code === 'SIGNATURE_INVALID');
});

test('a keyset that the root did not sign is refused', async () => {
  const device = await start();
  await fleet.rotate({}, [await fleet.newKey()]);
  device.link.deliver(await fleet.order(1, [await fleet.publish(1)]));
  await device.until('refused', ({ error }) => error?.code === 'KEYSET_INVALID');
  expect(device.runner.history).toEqual([]);
});

test('a model that is not ordered any more is retired, its files removed', async () => {
  const medium = emptyMedium();
  const device = await start({ medium });
  device.link.deliver(await fleet.order(1, [await fleet.publish(1), await fleet.publish(1, { model: 'sorter' })]));
  await device.until('both serve', ({ models }) => models.length === 2 && models.every(({ phase, active }) => phase === 'IDLE' && active !== undefined));
  device.link.deliver(await fleet.order(2, []));
  await device.until('retired', ({ rev, models }) => rev === 2 && models.every(({ active }) => active === undefined));
  await device.until('removed', () => medium.blobs.blobs.size === 0);
});

test('old versions are removed: the one that serves and the one before stay', async () => {
  const medium = emptyMedium();
  const device = await start({ medium });
  for (const version of [1, 2, 3]) {
    device.link.deliver(await fleet.order(version, [await fleet.publish(version)]));
    await device.settled(version);
  }
  // Manifest, model and chunk list of two versions.
  await device.until('swept', () => medium.blobs.blobs.size === 6);
});

test('a device that starts again serves before anybody is asked', async () => {
  const medium = emptyMedium();
  const first = await start({ medium });
  first.link.deliver(await fleet.order(1, [await fleet.publish(1)]));
  await first.settled(1);
  await first.device.stop();
  const second = createTestDevice({ fleet, medium, boot: 'again' });
  running.push(second);
  second.link.connect(false);
  await second.device.start();
  expect(second.runner.active.get('picker')?.manifest.version).toBe(1);
});

test('an unreadable journal: the committed version runs, the fault is told, the order is followed again', async () => {
  const medium = emptyMedium();
  const first = await start({ medium });
  first.link.deliver(await fleet.order(1, [await fleet.publish(1)]));
  await first.settled(1);
  await first.device.stop();
  medium.documents.set('update-picker', '{"seq":3,"journal":{"state":"NOWHERE"}');
  const second = await start({ medium, boot: 'again' });
  expect(second.runner.active.get('picker')?.manifest.version).toBe(1);
  await second.until('told', ({ error }) => error?.code === 'JOURNAL_CORRUPT');
  second.link.deliver(await fleet.order(2, [await fleet.publish(2)]));
  await second.settled(2);
});

test('a committed bundle that was damaged gives way to the one before, and is fetched again', async () => {
  const medium = emptyMedium();
  const first = await start({ medium });
  const [one, two] = [await fleet.publish(1), await fleet.publish(2)];
  first.link.deliver(await fleet.order(1, [one]));
  await first.settled(1);
  first.link.deliver(await fleet.order(2, [two]));
  await first.settled(2);
  await first.device.stop();
  const manifest = medium.blobs.blobs.get(two.manifest.sha256);
  medium.blobs.blobs.set(two.manifest.sha256, manifest?.map((byte) => byte ^ 1) ?? new Uint8Array());
  const second = await start({ medium, boot: 'again' });
  second.link.deliver(await fleet.order(2, [two]));
  await second.settled(2);
  expect(second.runner.history).toEqual([1, 2]);
});

test('the inference process crashes: the committed version is loaded again', async () => {
  const device = await start();
  device.link.deliver(await fleet.order(1, [await fleet.publish(1)]));
  await device.settled(1);
  device.runner.crash();
  expect(device.runner.active.size).toBe(0);
  await device.until('serves again', () => device.runner.active.size === 1);
  expect(device.runner.history).toEqual([1, 1]);
});

test('windows wait until they are acknowledged, over lost connections, each with its own number', async () => {
  const device = await start();
  device.link.acknowledges = false;
  device.link.deliver(await fleet.order(1, [await fleet.publish(1)]));
  await device.settled(1);
  device.link.connect(false);
  device.link.received.clear();
  device.link.acknowledges = true;
  device.link.connect(true);
  await device.until('all arrived', () => device.link.received.size > 5);
  const numbers = [...device.link.received.values()].map(({ seq }) => seq);
  expect(numbers.slice(0, 5)).toEqual([0, 1, 2, 3, 4]);
});
