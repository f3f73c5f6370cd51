import { z } from 'zod/mini';
import { dataset } from './datasets.ts';
import { alert, device, job, overview, rollout } from './resources.ts';
import { run } from './runs.ts';

/**
 * What the event stream tells the console, whole objects each: an event can be applied twice or out of
 * turn without harm. `reset` says that events were missed: fetch everything again.
 */
export const liveEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('reset') }),
  z.object({ type: z.literal('overview'), overview }),
  z.object({ type: z.literal('devices'), devices: z.array(device) }),
  z.object({ type: z.literal('rollout'), rollout }),
  z.object({ type: z.literal('job'), job }),
  z.object({ type: z.literal('alert'), alert }),
  z.object({ type: z.literal('models') }),
  /** A dataset got a version, or one of its versions changed. */
  z.object({ type: z.literal('dataset'), dataset }),
  z.object({ type: z.literal('sources') }),
  z.object({ type: z.literal('run'), run }),
]);
export type LiveEvent = z.infer<typeof liveEvent>;
