import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sha256 } from '@serin/protocol/digest';
import type { Digest } from '@serin/protocol/ids';
import { createTestDevice, emptyMedium, type Medium, type TestDevice } from '../testing/test-device.ts';
import { createTestFleet } from '../testing/test-fleet.ts';
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

function live(
  fleet: Awaited<ReturnType<typeof createTestFleet>>,
  medium: Medium,
  behaviour: (version: number) => Behaviour,
  calls: number,
  doesLastTakeEffect: boolean,
): Life {
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

async function withPowerLosses(losses: readonly (readonly [calls: number, doesLastTakeEffect: boolean])[], second: Behaviour): Promise<number | undefined> {
  const fleet = await createTestFleet();
  const medium = emptyMedium();
  const behaviour = (version: number): Behaviour => (version === 2 ? second : {});
  const [one, two] = [await fleet.publish(1), await fleet.publish(2)];

  const first = live(fleet, medium, behaviour, enough, true);
  await first.device.device.start();
  first.device.link.deliver(await fleet.order(1, [one]));
  await first.device.settled(1);
  await first.device.device.stop();
  first.device.clock.stop();

  const order = await fleet.order(2, [two]);
  for (const [calls, doesLastTakeEffect] of losses) {
    const { device, power } = live(fleet, medium, behaviour, calls, doesLastTakeEffect);
    device.link.deliver(order);
    const settled = device.until('settled', isSettled(second.counters === undefined ? 2 : 1)).catch(() => undefined);
    void device.device.start();
    await Promise.race([power.lost, settled]);
    device.clock.stop();
    expect([1, 2]).toContain(await committedVersion(medium));
  }

  const last = live(fleet, medium, behaviour, enough, true);
  last.device.link.deliver(order);
  await last.device.device.start();
  const report = await last.device.until(
    'at rest',
    ({ rev, models }) => rev === 2 && models[0]?.phase === 'IDLE' && models[0].active !== undefined && models[0].last?.version === 2,
  );
  await last.device.device.stop();
  last.device.clock.stop();
  expect(await committedVersion(medium)).toBe(report.models[0]?.active?.version);
  return report.models[0]?.active?.version;
}

const loss = fc.tuple(fc.integer({ min: 0, max: 160 }), fc.boolean());

test('power lost again and again: old or new is committed at every moment, and one of them serves', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(loss, { minLength: 2, maxLength: 6 }), async (losses) => {
      expect([1, 2]).toContain(await withPowerLosses(losses, {}));
    }),
    { numRuns: 30 },
  );
}, 60_000);

test('power lost while a bad version is tried and thrown back: the old one serves in the end', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(loss, { minLength: 1, maxLength: 3 }), async (losses) => {
      expect(await withPowerLosses(losses, { counters: { nonFinite: 2 } })).toBe(1);
    }),
    { numRuns: 40 },
  );
}, 60_000);
