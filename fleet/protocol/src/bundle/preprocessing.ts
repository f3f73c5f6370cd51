import { z } from 'zod/mini';

/**
 * How a record becomes the tensors of a model, where the graph cannot do it itself: the file of role `preprocessing`.
 * The trainer, agents and pages prepare records by the same code (`fleet/inference`), so they cannot differ.
 */
const columnName = z.string().check(z.minLength(1), z.maxLength(128));

export const featureColumn = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('number'), name: columnName }),
  /** Becomes the index of its level; a level that was never seen counts as missing. */
  z.object({ kind: z.literal('category'), name: columnName, levels: z.array(z.string().check(z.maxLength(256))).check(z.maxLength(10_000)) }),
]);
export type FeatureColumn = z.infer<typeof featureColumn>;

/** A row becomes `features`, float32 [1, columns]; a missing cell is NaN. */
export const tablePreprocessing = z.object({
  v: z.literal(1),
  kind: z.literal('table'),
  columns: z.array(featureColumn).check(z.minLength(1), z.maxLength(4096)),
});
export type TablePreprocessing = z.infer<typeof tablePreprocessing>;
