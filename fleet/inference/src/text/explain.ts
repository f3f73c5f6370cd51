import type { TextPreprocessing } from '@serin/protocol/bundle/preprocessing';

import { visitGrams } from './grams.ts';
import { textPreparer, type RecordWords, type TextRecord, type TextTensors } from './prepare.ts';
import type { Word } from './words.ts';

/** What a word did to the answer; where it stands in its field, so that a page can mark it. */
export interface WordShare {
  readonly field: string;
  readonly start: number;
  readonly end: number;
  /** Above 0 it speaks for the class explained, below against it; in log-odds of that class against all others. */
  readonly share: number;
}

export interface TextExplanation {
  /** Index of the class explained. */
  readonly label: number;
  readonly probability: number;
  /** In the order of the text. Words that were left out together, to save time, share one entry. */
  readonly words: readonly WordShare[];
}

export interface OcclusionOptions {
  readonly record: TextRecord;
  readonly preprocessing: TextPreprocessing;
  /** Runs the model: `probabilities` of every text in the tensors, one row after the other. */
  readonly predict: (tensors: TextTensors, count: number) => Promise<ArrayLike<number>> | ArrayLike<number>;
  readonly classes: number;
  /** Which class to explain; the most probable one unless said. */
  readonly label?: number;
  /** Texts the model is asked about at most, the whole one included. */
  readonly variantsMax?: number;
}

const variantsUsual = 256;
const variantsAtOnce = 32;

interface Place {
  readonly field: number;
  /** Words of the field, the last one included. */
  readonly first: number;
  readonly last: number;
}

/**
 * Leaves words out, one after the other, and sees what becomes of the log-odds: for any text model. A text of more words
 * than variants is gone through in runs of words first, and those that matter most are then looked at word by word.
 */
export async function explainByOcclusion(options: OcclusionOptions): Promise<TextExplanation> {
  const { record, preprocessing, classes, variantsMax = variantsUsual } = options;
  if (!(variantsMax >= 2)) throw new RangeError(`variantsMax is ${variantsMax}; the whole text and one without a word are the least`);
  const preparer = textPreparer(preprocessing);
  const words = preparer.words(record);
  const ask = async (variants: readonly RecordWords[]): Promise<ArrayLike<number>> => options.predict(preparer.tensors(variants), variants.length);
  const whole = Array.from(await ask([words]));
  const label = options.label ?? whole.indexOf(Math.max(...whole));
  const base = logOdds(whole, classes, 0, label);

  const sharesOf = async (places: readonly Place[]): Promise<number[]> => {
    const shares: number[] = [];
    for (let from = 0; from < places.length; from += variantsAtOnce) {
      const some = places.slice(from, from + variantsAtOnce);
      const answers = await ask(some.map((place) => without(words, owners, place)));
      some.forEach((_, index) => shares.push(base - logOdds(answers, classes, index, label)));
    }
    return shares;
  };

  const owners = ownersOf(preprocessing);
  const count = words.reduce((sum, { length }, field) => sum + (owners[field] === field ? length : 0), 0);
  const budget = variantsMax - 1;
  const runLength = count <= budget ? 1 : Math.ceil(count / Math.max(1, Math.floor(budget / 2) - words.length));
  const runs = words.flatMap((own, field) => (owners[field] === field ? runsOf(own.length, runLength, field) : [])).slice(0, budget);
  const found = (await sharesOf(runs)).map((share, index) => ({ place: runs[index] as Place, share }));
  const split = strongest(found, budget - runs.length);
  const inside = split.flatMap(({ place }) => wordsOf(place));
  const insideShares = await sharesOf(inside);
  const parts = [...found.filter((run) => !split.includes(run)), ...inside.map((place, index) => ({ place, share: insideShares[index] ?? 0 }))];
  const byPlace = parts.toSorted((one, other) => one.place.field - other.place.field || one.place.first - other.place.first);
  return {
    label,
    probability: whole[label] ?? Number.NaN,
    words: byPlace.map(({ place, share }) => ({ ...spanOf(preprocessing, words, place), share })),
  };
}

function runsOf(count: number, length: number, field: number): Place[] {
  return Array.from({ length: Math.ceil(count / length) }, (_, index) => ({ field, first: index * length, last: Math.min(count, (index + 1) * length) - 1 }));
}

const wordsOf = ({ field, first, last }: Place): Place[] =>
  Array.from({ length: last - first + 1 }, (_, index) => ({ field, first: first + index, last: first + index }));

/** The runs of several words that matter most and whose words are no more than `budget`. */
function strongest<Run extends { place: Place; share: number }>(runs: readonly Run[], budget: number): Run[] {
  const chosen: Run[] = [];
  let left = budget;
  for (const run of runs.toSorted((one, other) => Math.abs(other.share) - Math.abs(one.share))) {
    const size = run.place.last - run.place.first + 1;
    if (size === 1 || size > left) continue;
    chosen.push(run);
    left -= size;
  }
  return chosen;
}

/** A field may be listed more than once: its words belong to the first listing. */
const ownersOf = ({ fields }: TextPreprocessing): number[] => fields.map(({ name }) => fields.findIndex((other) => other.name === name));

const gap: Word = { text: '', start: 0, end: 0 };

const without = (words: RecordWords, owners: readonly number[], { field, first, last }: Place): RecordWords =>
  words.map((own, index) => (owners[index] === field ? own.map((word, place) => (place >= first && place <= last ? gap : word)) : own));

const spanOf = ({ fields }: TextPreprocessing, words: RecordWords, { field, first, last }: Place): Omit<WordShare, 'share'> => ({
  field: fields[field]?.name ?? '',
  start: words[field]?.[first]?.start ?? 0,
  end: words[field]?.[last]?.end ?? 0,
});

/** Of one class against all others, kept finite: float32 says 1 of what is only nearly so. */
function logOdds(probabilities: ArrayLike<number>, classes: number, row: number, label: number): number {
  let others = 0;
  for (let index = 0; index < classes; index += 1) if (index !== label) others += probabilities[row * classes + index] ?? 0;
  return Math.log(Math.max(1e-9, probabilities[row * classes + label] ?? 0)) - Math.log(Math.max(1e-9, others));
}

/** What each bucket of a linear model says; one column speaks for the second of two classes. */
export interface LinearTable {
  readonly columns: number;
  /** [buckets, columns] */
  readonly table: Float32Array;
  readonly bias: Float32Array;
}

export interface LinearExplanation {
  readonly words: readonly WordShare[];
  /** What is said of every text. */
  readonly bias: number;
  /** The bias and all shares together: the score of the class; of two classes, in log-odds. */
  readonly score: number;
}

/** The exact part of each word in the score of a linear model; what a run of words adds is divided among them. */
export function explainLinear(record: TextRecord, preprocessing: TextPreprocessing, weights: LinearTable, label: number): LinearExplanation {
  const { output, fields } = preprocessing;
  if (output.kind !== 'buckets') throw new RangeError('a linear model eats buckets');
  const { columns, table } = weights;
  const column = columns === 1 ? 0 : label;
  const sign = columns === 1 && label === 0 ? -1 : 1;
  const preparer = textPreparer(preprocessing);
  const words = preparer.words(record);
  const entries = preparer.entries(words);
  const uses = new Map<number, number>();
  const visitAll = (visit: (bucket: number, field: number, first: number, last: number) => void): void =>
    fields.forEach(({ prefix }, field) => visitGrams(words[field] ?? [], prefix, output, (bucket, first, last) => visit(bucket, field, first, last)));
  visitAll((bucket) => uses.set(bucket, (uses.get(bucket) ?? 0) + 1));
  const says = new Map<number, number>();
  entries.buckets.forEach((bucket, index) =>
    says.set(bucket, (sign * (entries.weights[index] ?? 0) * (table[bucket * columns + column] ?? 0)) / (uses.get(bucket) ?? 1)),
  );
  const owners = ownersOf(preprocessing);
  const shares = words.map((own) => new Float64Array(own.length));
  visitAll((bucket, field, first, last) => {
    const each = (says.get(bucket) ?? 0) / (last - first + 1);
    const own = shares[owners[field] ?? field];
    for (let place = first; own !== undefined && place <= last; place += 1) own[place] = (own[place] ?? 0) + each;
  });
  const bias = sign * (weights.bias[column] ?? 0);
  const listed = words.flatMap((own, field) =>
    (owners[field] === field ? own : []).map(({ start, end }, place) => ({ field: fields[field]?.name ?? '', start, end, share: shares[field]?.[place] ?? 0 })),
  );
  return { words: listed, bias, score: listed.reduce((sum, { share }) => sum + share, bias) };
}
