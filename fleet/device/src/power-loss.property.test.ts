import { expect, test } from 'vitest';
import type { Reported } from '@serin/protocol/messages/reported';
import type { Unsent } from './ports.ts';
import type { Behaviour } from './testing/fakes.ts';
import { createTestDevice, emptyMedium, type Medium, type TestDeviceOptions } from './testing/test-device.ts';
import { createTestFleet, type TestFleet } from './testing/test-fleet.ts';

type Wrap = NonNullable<TestDeviceOptions['wrap']>;

const never = Number.POSITIVE_INFINITY;

/** Ports that lead to the medium and to the models; what runs in between is lost with the power. */
const watched = ['store', 'documents', 'source', 'runner', 'spool'] as const;

interface Power {
  calls: number;
  /** The call at which the power goes; its work is done or not done, but it never returns. */
  failsAt: number;
  isDone: boolean;
}

/** Counts every call of every port; from the fatal one on nothing answers any more. */
function cutAt(power: Power): Wrap {
  const guard = <Port extends object>(port: Port): Port =>
    new Proxy(port, {
      get(of, name, receiver) {
        const member: unknown = Reflect.get(of, name, receiver);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]): unknown => {
          // What answers at once is no work that could be cut short.
          if (name === 'waiting' || name === 'dropped' || name === 'configure' || name === 'start' || name === 'stop') return member.apply(of, args);
          power.calls++;
          const silence = new Promise(() => {});
          if (power.calls > power.failsAt) return silence;
          const answer: unknown = power.calls < power.failsAt || power.isDone ? member.apply(of, args) : undefined;
          if (power.calls === power.failsAt) return Promise.resolve(answer).then(() => silence);
          return name === 'openPart' ? Promise.resolve(answer as Promise<object>).then(guard) : answer;
        };
      },
    });
  return (parts) => ({ ...parts, ...Object.fromEntries(watched.map((name) => [name, guard(parts[name])])) });
}

const copyOf = ({ documents, blobs }: Medium): Medium => ({
  documents: new Map(documents),
  blobs: structuredClone(blobs),
});

interface Scene {
  fleet: TestFleet;
  /** Version 1 installed and nothing else. */
  medium: Medium;
  order: Awaited<ReturnType<TestFleet['order']>>;
}

async function prepare(): Promise<Scene> {
  const fleet = await createTestFleet();
  const medium = emptyMedium();
  const first = createTestDevice({ fleet, medium });
  first.link.deliver(await fleet.order(1, [await fleet.publish(1)]));
  await first.device.start();
  await first.settled(1);
  await first.device.stop();
  first.clock.stop();
  return { fleet, medium, order: await fleet.order(2, [await fleet.publish(2)]) };
}

const isOver =
  (version: number) =>
  ({ rev, models: [model] }: Unsent<Reported>): boolean =>
    rev === 2 && model?.phase === 'IDLE' && model.last?.version === 2 && model.active?.version === version;

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

/** An update to version 2 until the power goes, or until it is over. */
async function updateUntil(scene: Scene, medium: Medium, power: Power, behaviour: (version: number) => Behaviour, lastVersion: number): Promise<void> {
  const { device, clock, link } = createTestDevice({ fleet: scene.fleet, medium, behaviour, wrap: cutAt(power), boot: 'before' });
  link.deliver(scene.order);
  device.start().catch(() => {});
  const isDone = (): boolean => link.reports.some(isOver(lastVersion));
  while (!isDone() && power.calls < power.failsAt) await turn();
  // What was still under way at that moment has its chance to do harm.
  for (let turns = 0; turns < 5; turns++) await turn();
  clock.stop();
  if (power.calls >= power.failsAt) return;
  power.failsAt = never;
  await device.stop();
}

/** After the restart it serves before it is told anything, and then ends where it would have ended. */
async function checkRestart(scene: Scene, medium: Medium, behaviour: (version: number) => Behaviour, lastVersion: number, what: string): Promise<void> {
  const device = createTestDevice({ fleet: scene.fleet, medium, behaviour, boot: 'after' });
  device.link.connect(false);
  device.link.deliver(scene.order);
  await device.device.start();
  const serving = device.runner.active.get('picker')?.manifest.version;
  expect([1, 2], `${what}: serves`).toContain(serving);
  device.link.connect(true);
  const { models } = await device.until(`${what}: over`, isOver(lastVersion));
  expect(device.runner.active.get('picker')?.manifest.version, what).toBe(models[0]?.active?.version);
  await device.device.stop();
  device.clock.stop();
}

const outcomes: { name: string; behaviour: (version: number) => Behaviour; lastVersion: number }[] = [
  { name: 'a good version', behaviour: () => ({}), lastVersion: 2 },
  { name: 'a version that fails on frames', behaviour: (version) => (version === 2 ? { counters: { failed: 1 } } : {}), lastVersion: 1 },
];

test.each(outcomes)(
  '$name: wherever the power goes, the device serves the old or the new version again, and the update ends',
  async ({ behaviour, lastVersion }) => {
    const scene = await prepare();
    const whole: Power = { calls: 0, failsAt: never, isDone: true };
    await updateUntil(scene, copyOf(scene.medium), whole, behaviour, lastVersion);
    expect(whole.calls).toBeGreaterThan(20);
    for (let failsAt = 1; failsAt <= whole.calls; failsAt++) {
      for (const isDone of [true, false]) {
        const medium = copyOf(scene.medium);
        await updateUntil(scene, medium, { calls: 0, failsAt, isDone }, behaviour, lastVersion);
        await checkRestart(scene, medium, behaviour, lastVersion, `call ${failsAt} of ${whole.calls}, ${isDone ? 'done' : 'not done'}`);
      }
    }
  },
  120_000,
);
