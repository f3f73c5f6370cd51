import { bootId } from '@serin/protocol/ids';
import type { Reported, ReportedModel } from '@serin/protocol/messages/reported';
import { Device, type DeviceParts, type DeviceSettings } from '../device.ts';
import { createMemoryBundleStore, emptyMemoryBlobs } from '../memory/bundle-store.ts';
import { createMemoryDocumentStore } from '../memory/document-store.ts';
import { createMemorySpool } from '../memory/spool.ts';
import type { Log, Unsent } from '../ports.ts';
import {
  createFakeLink,
  createFakeRunner,
  createFakeSource,
  createVirtualClock,
  type Behaviour,
  type FakeLink,
  type FakeRunner,
  type FakeSource,
  type VirtualClock,
} from './fakes.ts';
import type { TestFleet } from './test-fleet.ts';

/** What survives a power loss. */
export interface Medium {
  documents: Map<string, string>;
  blobs: ReturnType<typeof emptyMemoryBlobs>;
}

export const emptyMedium = (): Medium => ({ documents: new Map(), blobs: emptyMemoryBlobs() });

export interface TestDevice {
  device: Device;
  clock: VirtualClock;
  link: FakeLink;
  runner: FakeRunner;
  source: FakeSource;
  events: { level: string; event: string; fields: Record<string, unknown> }[];
  /** The first report from now on, or the newest, that the condition holds for. */
  until(what: string, condition: (report: Unsent<Reported>) => boolean): Promise<Unsent<Reported>>;
  settled(version: number): Promise<ReportedModel>;
}

export interface TestDeviceOptions {
  fleet: TestFleet;
  medium?: Medium;
  behaviour?: (version: number) => Behaviour;
  settings?: Partial<DeviceSettings>;
  boot?: string;
  candidates?: DeviceParts['candidates'];
  /** Stands between the device and its ports. */
  wrap?: <Parts extends Pick<DeviceParts, 'store' | 'documents' | 'source' | 'runner' | 'link' | 'clock' | 'spool'>>(parts: Parts) => Parts;
}

/** Waits are counted in turns of the event loop, so a failing test ends by itself and says what it saw. */
const turnsMax = 20_000;

export function createTestDevice({
  fleet,
  medium = emptyMedium(),
  behaviour = () => ({}),
  settings = {},
  boot = 'boot',
  candidates,
  wrap = (parts) => parts,
}: TestDeviceOptions): TestDevice {
  const clock = createVirtualClock();
  const link = createFakeLink();
  const runner = createFakeRunner(clock, behaviour);
  const source = createFakeSource(fleet.blobs);
  const events: TestDevice['events'] = [];
  const log: Log = (level, event, fields = {}) => void events.push({ level, event, fields });
  const ports = wrap({
    link,
    source,
    store: createMemoryBundleStore({ kept: medium.blobs }),
    documents: createMemoryDocumentStore(medium.documents),
    spool: createMemorySpool(),
    runner,
    clock,
  });
  const device = new Device({
    ...ports,
    self: fleet.self,
    boot: bootId.parse(boot),
    keyset: fleet.keysetDocument,
    random: () => 0.5,
    target: { runtime: 'cpu', architecture: 'x64', hasByteProducts: true },
    ...(candidates === undefined ? {} : { candidates }),
    agentVersion: '0.1.0',
    log,
    settings,
  });
  const until: TestDevice['until'] = async (what, condition) => {
    for (let turns = 0; turns < turnsMax; turns++) {
      const newest = link.reports.at(-1);
      if (newest !== undefined && condition(newest)) return newest;
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    throw new Error(`never ${what}; last report ${JSON.stringify(link.reports.at(-1))}; events ${JSON.stringify(events.slice(-8))}`);
  };
  const settled = async (version: number): Promise<ReportedModel> => {
    const ofPicker = ({ models }: Unsent<Reported>) => models.find(({ model }) => model === 'picker');
    const report = await until(`settled on ${version}`, (seen) => ofPicker(seen)?.phase === 'IDLE' && ofPicker(seen)?.active?.version === version);
    const model = ofPicker(report);
    if (model === undefined) throw new Error('unreachable');
    return model;
  };
  return { device, clock, link, runner, source, events, until, settled };
}
