import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sha256 } from '@serin/protocol/digest';
import type { SignedDocument } from '@serin/protocol/bundle/signing';
import type { Digest } from '@serin/protocol/ids';
import { createTestDevice, emptyMedium, type Medium, type TestDevice } from '../testing/test-device.ts';
import { createTestFleet, type TestFleet } from '../testing/test-fleet.ts';
import type { Behaviour } from '../testing/fakes.ts';

/** Power for the ports of one life of a device: after `calls` of them nothing ever answers again. */
function createPower(calls: number, doesLastTakeEffect: boolean) {
  let left = calls;
  let cut: () => void = () => {};
  const lost = new Promise<void>((resolve) => {
    cut = resolve;
  });
  const never = new Promise<never>(() => {});
  const pass = (work: () => unknown): unknown => {
    if (left < 0) return never;
    const answer = left === 0 && !doesLastTakeEffect ? undefined : work();
    if (left-- > 0) return answer;
    cut();
    return never;
  };
  /** Promises of a port, and of what it opens, go through the power switch; plain values do not wait for it. */
  const wire = <Port extends object>(port: Port, plain: readonly string[] = []): Port =>
    new Proxy(port, {
      get(object, name: string) {
        const value: unknown = Reflect.get(object, name);
        if (typeof value !== 'function' || plain.includes(name)) return typeof value === 'function' ? (value as () => unknown).bind(object) : value;
        return (...args: unknown[]) => {
          const answer = pass(() => Reflect.apply(value, object, args));
          return name === 'openPart' && answer instanceof Promise ? answer.then((part: object) => wire(part)) : answer;
        };
      },
    });
  return { wire, lost, callsMade: () => calls - left };
}

const plainCalls = ['now', 'elapsed', 'waiting', 'dropped', 'configure', 'start'];

interface Life {
  device: TestDevice;
  power: ReturnType<typeof createPower>;
}

function live(fleet: TestFleet, medium: Medium, behaviour: (version: number) => Behaviour, calls: number, doesLastTakeEffect: boolean): Life {
  const power = createPower(calls, doesLastTakeEffect);
  const device = createTestDevice({
    fleet,
    medium,
    behaviour,
    wrap: (ports) => ({
      ...ports,
      store: power.wire(ports.store),
      documents: power.wire(ports.documents),
      source: power.wire(ports.source),
      runner: power.wire(ports.runner, plainCalls),
      clock: power.wire(ports.clock, plainCalls),
      link: power.wire(ports.link, plainCalls),
      spool: power.wire(ports.spool, plainCalls),
    }),
  });
  return { device, power };
}

interface Scene {
  fleet: TestFleet;
  medium: Medium;
  order: SignedDocument;
}

type Loss = readonly [calls: number, doesLastTakeEffect: boolean];

/** What the medium alone would start with. */
async function committedVersion(medium: Medium): Promise<number | undefined> {
  const text = medium.documents.get('slots');
  if (text === undefined) return undefined;
  const { models } = JSON.parse(text) as { models: Record<string, { committed?: { version: number; blobs: Digest[] } }> };
  const committed = models['picker']?.committed;
  for (const blob of committed?.blobs ?? []) {
    const bytes = medium.blobs.blobs.get(blob);
    expect(bytes === undefined ? 'missing' : await sha256(bytes)).toBe(blob);
  }
  return committed?.version;
}

const enough = 1_000_000;
const isSettled = (version: number) => (report: { rev: number; models: { phase: string; active?: { version: number } | undefined }[] }) =>
  report.rev === 2 && report.models[0]?.phase === 'IDLE' && report.models[0].active?.version === version;

/** Version 1 installed, version 2 ordered: in two variants, of which the less promising one runs faster. */
async function prepare(): Promise<Scene> {
  const fleet = await createTestFleet();
  const medium = emptyMedium();
  const [one, two] = [await fleet.publish(1), await fleet.publish(2, { variants: ['u8s8', 'fp32'] })];
  const { device } = live(fleet, medium, () => ({}), enough, true);
  await device.device.start();
  device.link.deliver(await fleet.order(1, [one]));
  await device.settled(1);
  await device.device.stop();
  device.clock.stop();
  return { fleet, medium, order: await fleet.order(2, [two]) };
}

/** Ends with the version that serves once the power stays, and how many calls the first life made. */
async function withPowerLosses(
  { fleet, medium: prepared, order }: Scene,
  losses: readonly Loss[],
  second: Behaviour,
): Promise<{ served: number | undefined; calls: number }> {
  const medium: Medium = { documents: new Map(prepared.documents), blobs: structuredClone(prepared.blobs) };
  const behaviour = (version: number): Behaviour => (version === 2 ? { variants: { u8s8: 9, fp32: 5 }, ...second } : {});
  let calls: number | undefined;
  for (const [lastsFor, doesLastTakeEffect] of losses) {
    const { device, power } = live(fleet, medium, behaviour, lastsFor, doesLastTakeEffect);
    device.link.deliver(order);
    const settled = device.until('settled', isSettled(second.counters === undefined ? 2 : 1)).catch(() => undefined);
    void device.device.start();
    await Promise.race([power.lost, settled]);
    calls ??= power.callsMade();
    device.clock.stop();
    expect([1, 2], `after ${lastsFor} calls`).toContain(await committedVersion(medium));
  }
  const { device } = live(fleet, medium, behaviour, enough, true);
  device.link.connect(false);
  await device.device.start();
  expect([1, 2], 'serves before anybody is asked').toContain(device.runner.active.get('picker')?.manifest.version);
  device.link.connect(true);
  device.link.deliver(order);
  const report = await device.until(
    'at rest',
    ({ rev, models: [model] }) => rev === 2 && model?.phase === 'IDLE' && model.active !== undefined && model.last?.version === 2,
  );
  await device.device.stop();
  device.clock.stop();
  const { active } = report.models[0] ?? {};
  const served = active?.version;
  if (served === 2) expect(active).toMatchObject({ variant: 'fp32', measured: [{ p50Ms: 9 }, { p50Ms: 5 }] });
  expect(await committedVersion(medium)).toBe(served);
  return { served, calls: calls ?? 0 };
}

test('power lost at any single call of any port: old or new is committed at that moment, and the new version serves in the end', async () => {
  const scene = await prepare();
  const { calls } = await withPowerLosses(scene, [[enough, true]], {});
  expect(calls).toBeGreaterThan(20);
  for (let call = 0; call < calls; call++) {
    for (const doesItTakeEffect of [false, true])
      expect((await withPowerLosses(scene, [[call, doesItTakeEffect]], {})).served, `call ${call} of ${calls}`).toBe(2);
  }
}, 60_000);

const manyLosses = fc.array(fc.tuple(fc.integer({ min: 0, max: 120 }), fc.boolean()), { minLength: 2, maxLength: 6 });

test('power lost again and again: old or new is committed at every moment, and one of them serves', async () => {
  const scene = await prepare();
  await fc.assert(
    fc.asyncProperty(manyLosses, async (losses) => {
      expect([1, 2]).toContain((await withPowerLosses(scene, losses, {})).served);
    }),
    { numRuns: 30 },
  );
}, 60_000);

test('power lost again and again while a bad version is tried and thrown back: the old one serves in the end', async () => {
  const scene = await prepare();
  await fc.assert(
    fc.asyncProperty(manyLosses, async (losses) => {
      expect((await withPowerLosses(scene, losses, { counters: { nonFinite: 2 } })).served).toBe(1);
    }),
    { numRuns: 30 },
  );
}, 60_000);
