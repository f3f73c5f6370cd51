import { hashText } from '@serin/inference/text/murmur3';
import { readWords, type TextRecord } from '@serin/inference/text/prepare';
import type { TextPreprocessing } from '@serin/protocol/bundle/preprocessing';

import { addProblem, noProblems, refuseProblems, type Problems } from '../data/problems.ts';
import { groupFolds, splitFold } from '../evaluate/folds.ts';
import { groupNearDuplicates } from './near-duplicates.ts';

/** Texts with what they are: the index of a class each. */
export interface TextExamples {
  readonly texts: readonly TextRecord[];
  readonly labels: ArrayLike<number>;
}

export const textsMax = 2_000_000;

/** Refuses examples nothing can be learnt from, with everything that is wrong at once. */
export function checkExamples({ texts, labels }: TextExamples, classes: readonly string[], file: string, { complete }: { complete: boolean }): void {
  const problems = noProblems();
  if (texts.length === 0) addProblem(problems, { kind: 'empty', file, detail: 'there is no text' });
  if (texts.length > textsMax)
    addProblem(problems, { kind: 'too-large', file, detail: `there are ${texts.length} texts; at most ${textsMax} are learnt from` });
  if (texts.length !== labels.length) addProblem(problems, { kind: 'format', file, detail: `there are ${texts.length} texts and ${labels.length} labels` });
  if (classes.length < 2) addProblem(problems, { kind: 'class-empty', file, detail: `there are ${classes.length} classes; two are the least` });
  checkLabels(problems, labels, classes, file, complete);
  refuseProblems(problems);
}

function checkLabels(problems: Problems, labels: ArrayLike<number>, classes: readonly string[], file: string, complete: boolean): void {
  const counts = classes.map(() => 0);
  for (let index = 0; index < labels.length; index += 1) {
    const label = labels[index] ?? Number.NaN;
    const count = counts[label];
    if (count === undefined) {
      const detail = `its label is ${label}; the ${classes.length} classes are numbered from 0`;
      addProblem(problems, { kind: 'label-out-of-range', file, at: `text ${index + 1}`, detail });
    } else counts[label] = count + 1;
  }
  if (!complete || labels.length === 0) return;
  counts.forEach((count, label) => {
    if (count === 0) addProblem(problems, { kind: 'class-empty', file, detail: `no text is ${classes[label]}` });
  });
}

/** Refuses preprocessing that reads nothing of any of the texts: most often the name of a field is mistaken. */
export function checkFields(texts: readonly TextRecord[], { fields }: TextPreprocessing, file: string): void {
  const problems = noProblems();
  for (const { name } of fields) {
    if (texts.some((text) => text[name] !== undefined && text[name] !== null)) continue;
    const found = Object.keys(texts[0] ?? {}).join(', ');
    addProblem(problems, { kind: 'column-missing', file, detail: `no text has the field ${name}; the first one has ${found === '' ? 'none' : found}` });
  }
  refuseProblems(problems);
}

export const pickExamples = ({ texts, labels }: TextExamples, indices: readonly number[]): TextExamples => ({
  texts: indices.map((index) => texts[index] ?? {}),
  labels: Int32Array.from(indices, (index) => labels[index] ?? 0),
});

/** Addresses differ where a copy is sent to each with a number of its own. */
const withoutAddresses = (record: TextRecord): TextRecord =>
  Object.fromEntries(
    Object.entries(record).map(([name, value]) => [name, typeof value === 'string' ? value.replace(/(https?:\/\/|www\.)[^\s<>"]+/gi, '$1') : value]),
  );

/** The same number for texts that are nearly the same. */
export const groupTexts = (texts: readonly TextRecord[], preprocessing: TextPreprocessing): Int32Array =>
  groupNearDuplicates(
    texts.map((text) => {
      const fields = readWords(preprocessing, withoutAddresses(text));
      return Int32Array.from(fields.flat(), (word) => hashText(word.text, 0));
    }),
  );

const heldOutFolds = 5;

/** A fifth of the texts to judge by, none of them nearly the same as one that stays; `groups` where they are known. */
export function holdOut(
  examples: TextExamples,
  preprocessing: TextPreprocessing,
  seed: number | string,
  groups: ArrayLike<number> = groupTexts(examples.texts, preprocessing),
): { rest: TextExamples; held: TextExamples } {
  const { inside, outside } = splitFold(groupFolds({ folds: heldOutFolds, groups, labels: examples.labels, seed }), 0);
  return { rest: pickExamples(examples, outside), held: pickExamples(examples, inside) };
}
