import type { TextRecord } from '@serin/inference/text/prepare';

import type { TextExamples } from '../../text/examples.ts';
import { recordOf, type Part } from '../part.ts';

/** The texts of a part with their classes. */
export const examplesOf = (part: Part, fields: readonly string[]): TextExamples => ({
  texts: Array.from({ length: part.rows }, (_, row) => recordOf(part.table, fields, row) as TextRecord),
  labels: part.labels,
});

/** Of each field, and words of a record: what is longer is cut. */
export const textLimits = { unitsMax: 100_000, wordsMax: 20_000 } as const;

/** With several fields the words of each are words of their own. */
export const fieldsOf = (names: readonly string[]): { name: string; prefix?: string }[] =>
  names.map((name, place) => (place === 0 ? { name } : { name, prefix: `f${place}` }));
