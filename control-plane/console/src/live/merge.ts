import type { Dataset } from '@serin/protocol/api/datasets';
import type { Alert, Device, Job, Overview, Rollout } from '@serin/protocol/api/resources';
import type { Run, RunDetail } from '@serin/protocol/api/runs';
import type { LiveEvent } from '@serin/protocol/api/events';

/** Whole objects by key: known ones are replaced in place, new ones are added; the list itself is new only when something is. */
export function upsert<Item>(list: readonly Item[], incoming: readonly Item[], keyOf: (item: Item) => string): readonly Item[] {
  if (incoming.length === 0) return list;
  const fresh = new Map(incoming.map((item) => [keyOf(item), item]));
  const merged = list.map((item) => {
    const key = keyOf(item);
    const newer = fresh.get(key);
    if (newer === undefined) return item;
    fresh.delete(key);
    return newer;
  });
  return [...merged, ...fresh.values()];
}

export const mergeDevices = (list: readonly Device[], incoming: readonly Device[]): readonly Device[] => upsert(list, incoming, ({ id }) => id);

const newestFirst = <Item extends { createdAt: number }>(list: readonly Item[]): Item[] => list.toSorted((one, other) => other.createdAt - one.createdAt);

/** An older copy of a rollout never replaces a newer one, in whatever order they arrive. */
export function mergeRollout(list: readonly Rollout[], incoming: Rollout): readonly Rollout[] {
  const known = list.find(({ id }) => id === incoming.id);
  if (known !== undefined && known.updatedAt > incoming.updatedAt) return list;
  return newestFirst(upsert(list, [incoming], ({ id }) => id));
}

const finished = ({ finishedAt }: Job): boolean => finishedAt !== null;

export function mergeJob(list: readonly Job[], incoming: Job): readonly Job[] {
  const known = list.find(({ id }) => id === incoming.id);
  if (known !== undefined && finished(known) && !finished(incoming) && incoming.attempts <= known.attempts) return list;
  return newestFirst(upsert(list, [incoming], ({ id }) => id));
}

export function mergeAlert(list: readonly Alert[], incoming: Alert): readonly Alert[] {
  const known = list.find(({ id }) => id === incoming.id);
  if (known?.state === 'CLEARED' && incoming.state === 'OPEN') return list;
  return upsert(list, [incoming], ({ id }) => id).toSorted((one, other) => other.openedAt - one.openedAt);
}

export const mergeDataset = (list: readonly Dataset[], incoming: Dataset): readonly Dataset[] =>
  upsert(list, [incoming], ({ name }) => name).toSorted((one, other) => one.name.localeCompare(other.name));

/** What has ended stays ended: a run is never begun again under the same id. */
const outdated = (known: Run | undefined, incoming: Run): boolean => known !== undefined && known.status !== 'RUNNING' && incoming.status === 'RUNNING';

export function mergeRun(list: readonly Run[], incoming: Run): readonly Run[] {
  if (
    outdated(
      list.find(({ id }) => id === incoming.id),
      incoming,
    )
  )
    return list;
  return newestFirst(upsert(list, [incoming], ({ id }) => id));
}

/** The stream brings a run without its curves, slices and log: those it has are kept. */
export function mergeRunDetail(known: RunDetail | undefined, incoming: Run): RunDetail | undefined {
  return known === undefined || outdated(known, incoming) ? known : { ...known, ...incoming };
}

export type Rate = Pick<Overview, 'at' | 'inferencesPerS' | 'windowsPerMinute'>;
const ratesMax = 90;

/** The recent past of the key figures; an overview that is not newer changes nothing. */
export function appendRate(list: readonly Rate[], { at, inferencesPerS, windowsPerMinute }: Rate): readonly Rate[] {
  if ((list.at(-1)?.at ?? -1) >= at) return list;
  return [...list.slice(1 - ratesMax), { at, inferencesPerS, windowsPerMinute }];
}

/**
 * A burst of events as the few that still matter: the last of each thing, and nothing before a reset.
 * The console redraws at most four times a second, so this is where a thousand devices become one update.
 */
export function coalesce(events: readonly LiveEvent[]): LiveEvent[] {
  const lastReset = events.findLastIndex(({ type }) => type === 'reset');
  if (lastReset !== -1) return [{ type: 'reset' }, ...coalesce(events.slice(lastReset + 1))];
  const devices = new Map<string, Device>();
  const others = new Map<string, LiveEvent>();
  for (const event of events) {
    switch (event.type) {
      case 'devices':
        for (const device of event.devices) devices.set(device.id, device);
        break;
      case 'rollout':
        others.set(`rollout ${event.rollout.id}`, event);
        break;
      case 'job':
        others.set(`job ${event.job.id}`, event);
        break;
      case 'alert':
        others.set(`alert ${event.alert.id}`, event);
        break;
      case 'dataset':
        others.set(`dataset ${event.dataset.name}`, event);
        break;
      case 'run':
        others.set(`run ${event.run.id}`, event);
        break;
      default:
        others.set(event.type, event);
    }
  }
  return [...(devices.size === 0 ? [] : [{ type: 'devices' as const, devices: [...devices.values()] }]), ...others.values()];
}
