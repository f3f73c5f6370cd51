import type { Profile } from '@serin/protocol/bundle/profile';
import type { DeviceId } from '@serin/protocol/ids';
import type { TelemetryWindow } from '@serin/protocol/messages/telemetry';
import { correctedPsi } from '@serin/stats/distances';
import { addCounts, totalCount } from '@serin/stats/histogram';
import type { DriftGauge } from '../link/ingest.ts';
import type { WindowDrift } from '../link/window-rows.ts';
import { fits } from './judge.ts';

/** Windows of one device on their way to the size of a reference window, and the last distance that came of it. */
interface Gathering {
  counts: Map<string, number[]>;
  drift: WindowDrift | null;
}

const devicesMax = 50_000;

/**
 * The distance of what a device sees now from what its version was packaged with: the largest corrected PSI over the
 * statistics and which one that is, of its latest frames merged to the size of a reference window, since a smaller one
 * measures mostly chance.
 * A description for the row and its charts; alerts rest on the monitor. What it remembers may be lost.
 */
export function createDriftGauge(findProfile: (model: string, version: number) => Promise<Profile | undefined>): DriftGauge {
  const profiles = new Map<string, Profile | undefined>();
  const gatherings = new Map<string, Gathering>();

  const gatheringOf = (key: string): Gathering => {
    const known = gatherings.get(key);
    // Put last again: the map's order is that of use.
    gatherings.delete(key);
    const used = known ?? { counts: new Map(), drift: null };
    gatherings.set(key, used);
    for (const oldest of gatherings.keys()) {
      if (gatherings.size <= devicesMax) break;
      gatherings.delete(oldest);
    }
    return used;
  };

  return {
    async prepare(versions) {
      if (profiles.size > 256) profiles.clear();
      for (const [key, { model, version }] of versions) {
        if (profiles.has(key)) continue;
        try {
          profiles.set(key, await findProfile(model, version));
        } catch {
          // A profile that cannot be read leaves its windows without a distance; they are kept all the same.
        }
      }
    },
    driftOf(device: DeviceId, window: TelemetryWindow) {
      const profile = profiles.get(`${window.model} ${window.version}`);
      if (profile === undefined || profile.framesPerWindow === 0) return null;
      const gathering = gatheringOf(`${device} ${window.model} ${window.version}`);
      let isWhole = false;
      let worst: WindowDrift | null = null;
      for (const seen of window.statistics) {
        const reference = profile.statistics.find(({ name }) => name === seen.name);
        if (reference === undefined || !fits(reference, seen)) continue;
        const counts = gathering.counts.get(seen.name) ?? seen.counts.map(() => 0);
        addCounts(counts, seen.counts);
        gathering.counts.set(seen.name, counts);
        if (totalCount(counts) < profile.framesPerWindow) continue;
        isWhole = true;
        const effect = correctedPsi(reference.counts, counts);
        if (Number.isFinite(effect) && (worst === null || effect > worst.effect)) worst = { effect, statistic: seen.name };
        gathering.counts.delete(seen.name);
      }
      if (isWhole) gathering.drift = worst;
      return gathering.drift;
    },
  };
}
