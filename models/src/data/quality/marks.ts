/** Where a record stands: the place of its file among those read, and its number there. */
export type Place = readonly [file: number, row: number];

/** How often something occurred, and where first. Plain data, so it can be sent to another thread. */
export interface Marks {
  count: number;
  places: Place[];
}

export const placesMax = 10;

export const noMarks = (): Marks => ({ count: 0, places: [] });

export function mark(marks: Marks, file: number, row: number): void {
  marks.count += 1;
  if (marks.places.length < placesMax) marks.places.push([file, row]);
}

/** `files` is how many files the first part read: those of the second come behind them. */
export const mergeMarks = (one: Marks, other: Marks, files: number): Marks => ({
  count: one.count + other.count,
  places: [...one.places, ...other.places.map(([file, row]): Place => [file + files, row])].slice(0, placesMax),
});
