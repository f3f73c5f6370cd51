import { z } from 'zod/mini';

/** What a job child says to its parent. Parsed like any other input: a child runs user models. */
export const childMessage = z.discriminatedUnion('type', [
  z.object({ type: z.literal('progress'), stage: z.string(), fraction: z.number(), message: z.string(), metrics: z.record(z.string(), z.number()) }),
  /** For the handler of the kind of job, which checks it. */
  z.object({ type: z.literal('news'), body: z.unknown() }),
  z.object({ type: z.literal('failed'), code: z.string(), detail: z.string(), hint: z.string() }),
  z.object({ type: z.literal('done') }),
]);
export type ChildMessage = z.infer<typeof childMessage>;

/** What the parent says to a job child. */
export const parentMessage = z.object({ type: z.literal('cancel') });
