import { z } from 'zod/mini';

/** Inputs with the outputs the model must reproduce before a device or a browser lets it serve. */
export const golden = z.object({
  v: z.literal(1),
  /** Largest allowed absolute difference, per output. */
  tolerance: z.number().check(z.gte(0)),
  /** Of outputs whose numbers are of another size than the others'. */
  tolerances: z.optional(z.record(z.string(), z.number().check(z.gte(0)))),
  vectors: z
    .array(
      z.object({
        /** By input name: raw little-endian bytes in base64, with the shape (batch included). */
        inputs: z.record(z.string(), z.object({ shape: z.array(z.int()), dtype: z.string(), data: z.string() })),
        /** By output name: the numbers, flat. */
        outputs: z.record(z.string(), z.array(z.number())),
      }),
    )
    .check(z.minLength(1), z.maxLength(64)),
});
export type Golden = z.infer<typeof golden>;
