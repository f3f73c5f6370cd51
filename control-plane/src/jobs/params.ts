import { z } from 'zod/mini';

/** What a job is asked to do, as kept in its row. */
export const jobParams = z.object({
  seed: z._default(z.int(), 1),
  /** Roll the version out when it has been made. */
  rollout: z._default(z.boolean(), false),
  /** Retraining: labelled frames taken since then are learnt from. */
  since: z.optional(z.int()),
  /** The alert that started it. */
  alert: z.optional(z.string()),
});
export type JobParams = z.infer<typeof jobParams>;
