import { z } from 'zod/mini';
import { bootId, timestampMs } from '../ids.ts';

/** What every message of a device carries: dedupe on (device, boot, seq); gaps in seq are counted and shown. */
export const envelope = {
  v: z.literal(1),
  boot: bootId,
  seq: z.int().check(z.gte(0)),
  /** The device's clock when it was sent. */
  ts: timestampMs,
};
