import { z } from 'zod/mini';
import { bootId, timestampMs } from '../ids.ts';

export const deviceClass = z.enum(['agent', 'browser', 'virtual']);
export type DeviceClass = z.infer<typeof deviceClass>;

/** What a device is; part of its birth message. */
export const hello = z.object({
  protocol: z.int().check(z.gte(1)),
  agent: z.string().check(z.maxLength(32)),
  class: deviceClass,
  os: z.string().check(z.maxLength(64)),
  arch: z.string().check(z.maxLength(32)),
  cpu: z.string().check(z.maxLength(128)),
  /** What decides which kernels of the runtime run; those that matter, in order. */
  cpuFlags: z.optional(z.array(z.string().check(z.maxLength(32))).check(z.maxLength(64))),
  memoryBytes: z.number(),
  runtime: z.string().check(z.maxLength(64)),
  site: z.string().check(z.maxLength(64)),
  /** True for devices whose camera is rendered: shown as such everywhere. */
  synthetic: z.boolean(),
});
export type Hello = z.infer<typeof hello>;

/** Birth (online) and will (offline), retained. `conn` counts connections within a boot: a death with an older one is ignored. */
export const status = z.object({
  v: z.literal(1),
  online: z.boolean(),
  boot: bootId,
  conn: z.int().check(z.gte(0)),
  ts: timestampMs,
  hello: z.optional(hello),
});
export type Status = z.infer<typeof status>;

/** The server's own status, retained: a new epoch makes devices report again. */
export const serverStatus = z.object({ v: z.literal(1), online: z.boolean(), epoch: z.string().check(z.maxLength(64)), ts: timestampMs });
export type ServerStatus = z.infer<typeof serverStatus>;
