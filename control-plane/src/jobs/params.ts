import { z } from 'zod/mini';
import { parameterValue } from '@serin/protocol/api/runs';
import { digest } from '@serin/protocol/ids';

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

export const pipelineParams = z.object({
  run: z.string(),
  fresh: z._default(z.boolean(), false),
  /** What a search has found; a pipeline that searches begins without. */
  parameters: z.optional(z.record(z.string(), parameterValue)),
});

export const trialParams = z.object({
  run: z.string(),
  trial: z.string(),
  rung: z.int(),
  budget: z.number(),
  parameters: z.record(z.string(), parameterValue),
});

/** Files of a batch may be thousands: the row names the blob that lists them. */
export const ingestParams = z.object({
  request: z.optional(digest),
  source: z.optional(z.string()),
  /** That the source shrank, or has nothing, is what a person knows and wants. */
  accept: z._default(z.boolean(), false),
  note: z._default(z.string(), ''),
});

/** Of a model that was made elsewhere: the row names the blob that says what it is and lists its pictures. */
export const importParams = z.object({ request: digest });
