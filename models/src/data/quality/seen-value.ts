import { booleanOf, isDamaged, isPadded, numberOf, timeOf } from './cells.ts';
import { hashed, hashText } from './hashes.ts';
import type { Place } from './marks.ts';

/** What a cell looks like by itself; `padded` is a whole number that begins with zeros. */
export type Vote = 'integer' | 'number' | 'infinite' | 'padded' | 'boolean' | 'time' | 'text';

/** One value of a column with all that its text says, so that what occurs often is worked out once. */
export interface SeenValue {
  count: number;
  /** Where it stands first. */
  place: Place;
  high: number;
  low: number;
  vote: Vote;
  /** NaN where it is no finite number. */
  number: number;
  /** As `timeOf` has it. */
  time: number;
  damaged: boolean;
  length: number;
}

export const emptyValue = (): SeenValue => ({
  count: 0,
  place: [0, 0],
  high: 0,
  low: 0,
  vote: 'text',
  number: Number.NaN,
  time: Number.NaN,
  damaged: false,
  length: 0,
});

/** Fills in what the text says. */
export function readValue(value: SeenValue, text: string): SeenValue {
  hashText(text);
  value.high = hashed.high;
  value.low = hashed.low;
  value.length = text.length;
  value.damaged = !hashed.isAscii && isDamaged(text);
  value.time = Number.NaN;
  const number = numberOf(text);
  if (number === number) {
    const finite = Number.isFinite(number);
    value.number = finite ? number : Number.NaN;
    value.vote = !finite ? 'infinite' : !Number.isInteger(number) ? 'number' : isPadded(text) ? 'padded' : 'integer';
    return value;
  }
  value.number = Number.NaN;
  value.time = timeOf(text);
  value.vote = value.time === value.time ? 'time' : booleanOf(text) === undefined ? 'text' : 'boolean';
  return value;
}
