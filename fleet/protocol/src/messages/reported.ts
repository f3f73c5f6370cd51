import { z } from 'zod/mini';
import { count, digest, modelName, versionNumber } from '../ids.ts';
import { variant } from '../bundle/manifest.ts';
import { envelope } from './envelope.ts';

/** Where an update stands; the device's state machine, plus IDLE when nothing is under way. */
export const updatePhase = z.enum(['IDLE', 'DOWNLOADING', 'VERIFYING', 'STAGED', 'WARMUP', 'PROVISIONAL', 'COMMITTING', 'ROLLING_BACK']);
export type UpdatePhase = z.infer<typeof updatePhase>;

/** How the last update ended. Causes stay apart. */
export const updateOutcome = z.enum(['COMMITTED', 'FAILED', 'ROLLED_BACK', 'REJECTED']);
export type UpdateOutcome = z.infer<typeof updateOutcome>;

/** One variant that this device could run, as it found it at install. */
export const measuredVariant = z.object({
  variant,
  bytes: count,
  /** Absent where it did not come to that: see `code`. */
  loadMs: z.optional(z.number()),
  p50Ms: z.optional(z.number()),
  p90Ms: z.optional(z.number()),
  /** Largest difference from its golden vectors. */
  goldenDifference: z.optional(z.number()),
  /** Why it cannot serve here. */
  code: z.optional(z.string().check(z.maxLength(64))),
  detail: z.optional(z.string().check(z.maxLength(200))),
});
export type MeasuredVariant = z.infer<typeof measuredVariant>;

const running = z.object({
  version: versionNumber,
  manifest: digest,
  variant,
  /** All that were measured, the one that serves among them. */
  measured: z.optional(z.array(measuredVariant).check(z.maxLength(variant.options.length))),
});

export const reportedModel = z.object({
  model: modelName,
  phase: updatePhase,
  /** The version that answers frames now; absent before the first. */
  active: z.optional(running),
  /** The version an update is about, while one is. */
  target: z.optional(z.object({ version: versionNumber, manifest: digest, progress: z.number().check(z.gte(0), z.lte(1)) })),
  last: z.optional(
    z.object({
      version: versionNumber,
      manifest: digest,
      outcome: updateOutcome,
      code: z.optional(z.string().check(z.maxLength(64))),
      detail: z.optional(z.string().check(z.maxLength(300))),
    }),
  ),
});
export type ReportedModel = z.infer<typeof reportedModel>;

/** What a device is in fact doing; answered to every desired document and at every change. */
export const reported = z.object({
  ...envelope,
  /** The desired revision this answers; 0 before the first. */
  rev: z.int().check(z.gte(0)),
  models: z.array(reportedModel).check(z.maxLength(8)),
  /** A fault of the device as a whole. */
  error: z.optional(z.object({ code: z.string().check(z.maxLength(64)), detail: z.string().check(z.maxLength(300)) })),
});
export type Reported = z.infer<typeof reported>;
