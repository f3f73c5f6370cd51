import { z } from 'zod/mini';
import { deviceId } from '@serin/protocol/ids';
import type { VirtualFleet } from './virtual-fleet.ts';

/** What a parent process may ask for over the process channel, to try the fleet. */
const scenarioEvent = z.discriminatedUnion('type', [
  /** The network goes away for a while. */
  z.object({ type: z.literal('offline'), device: deviceId, durationMs: z.int().check(z.gte(0), z.lte(3_600_000)) }),
  /** Power off and on. */
  z.object({ type: z.literal('restart'), device: deviceId }),
]);

/** Plays one event and resolves when it is over; false for a message that is none. */
export async function playScenario(fleet: VirtualFleet, message: unknown): Promise<boolean> {
  const parsed = scenarioEvent.safeParse(message);
  if (!parsed.success) return false;
  const event = parsed.data;
  const device = fleet.device(event.device);
  if (event.type === 'offline') await device.goOffline(event.durationMs);
  else await device.restart();
  return true;
}
