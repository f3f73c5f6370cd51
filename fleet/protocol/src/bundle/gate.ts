import { z } from 'zod/mini';
import { variant } from './manifest.ts';

/** One limit that a version was held against. */
export const gateCheck = z.object({
  name: z.string().check(z.maxLength(200)),
  /** Null where there was nothing to measure: such a check never passes. */
  value: z.nullable(z.number()),
  limit: z.number(),
  passed: z.boolean(),
  /** Which number, of what, and by how much it is off. */
  words: z.string().check(z.maxLength(4000)),
  /** Of this variant alone: failing leaves it out, and the version goes without it. */
  variant: z.optional(variant),
});

/** Passed if every check did that is not of one variant alone. */
export const gateVerdict = z.object({ passed: z.boolean(), checks: z.array(gateCheck).check(z.maxLength(200)) });
export type GateVerdictRecord = z.infer<typeof gateVerdict>;
