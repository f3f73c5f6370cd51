import { normaliseText } from './normalise.ts';

/** A word of a text, or a mark that stands for something whose kind says more than its letters. */
export interface Word {
  /** Lower case; marks are in angle brackets, which no word has. */
  readonly text: string;
  /** Where it stands in the original, in UTF-16 units. */
  readonly start: number;
  readonly end: number;
}

const lettersMax = 40;
const scripts = ['Han', 'Hiragana', 'Katakana', 'Thai', 'Lao', 'Khmer', 'Myanmar'].map((name) => String.raw`\p{Script=${name}}`).join('');
/** Of scripts that write no spaces, each letter is a word; runs of two make up for it. */
const unspaced = new RegExp(`[${scripts}]`, 'u');
const unspacedParts = new RegExp(String.raw`[${scripts}]\p{M}*|[^${scripts}]+`, 'gu');

/**
 * What a text is read as, the first that fits. Every form is bounded or takes all that it looked at, so the time grows
 * with the text whatever it holds.
 */
const forms = {
  // Only what an address begins with: its words are words, and say where it leads.
  url: String.raw`[hH][tT][tT][pP][sS]?://(?:[wW][wW][wW]\.)?|[wW][wW][wW]\.`,
  mail: String.raw`[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{1,63}){1,8}`,
  mention: String.raw`@[\p{L}\p{N}_]{1,64}`,
  money: String.raw`\p{Sc} ?\p{Nd}[\p{Nd}.,]*|\p{Nd}[\p{Nd}.,]{0,20} ?\p{Sc}`,
  // Up to twenty digits may come before its first letter: 3rd, 2nite.
  word: String.raw`\p{N}{0,20}[\p{L}\p{M}][\p{L}\p{M}\p{N}]*(?:['\u2019][\p{L}\p{M}\p{N}]+)*`,
  percent: String.raw`\p{N}{1,20}(?:[.,]\p{N}{1,20})? ?%`,
  number: String.raw`\p{N}+(?:[.,:]\p{N}+)*`,
  // A question mark before a letter is part of an address.
  emphasis: String.raw`[!?]{2,}|!|\?(?![\p{L}\p{N}])`,
  picture: String.raw`\p{Extended_Pictographic}`,
  currency: String.raw`\p{Sc}`,
  // The same sign three times or more: a rule, dots, a row of stars. It is the last, so the group inside it comes after all others.
  rule: String.raw`([^\s\p{L}\p{M}\p{N}])\SIGN{2,}`,
} as const;
type Form = keyof typeof forms;
const names = Object.keys(forms) as Form[];
const pattern = new RegExp(
  names
    .map((name) => `(${forms[name]})`)
    .join('|')
    .replace('SIGN', String(names.length + 1)),
  'gu',
);

const markOf: Partial<Record<Form, (found: string) => string>> = {
  url: () => '<url>',
  mail: () => '<mail>',
  mention: () => '<mention>',
  money: () => '<money>',
  currency: () => '<currency>',
  percent: () => '<percent>',
  number: (found) => `<number ${Math.min(9, found.replace(/[.,:]/g, '').length)}>`,
  emphasis: (found) => `<${found.slice(0, 3)}>`,
  rule: (found) => `<${found.slice(0, 3)}>`,
};

/** Equal in every language and place: no locale, and the final sigma is a sigma. */
const lower = (text: string): string => text.toLowerCase().replaceAll('ς', 'σ').replaceAll('\u2019', "'");

function cut(text: string): string {
  if (text.length <= lettersMax) return text;
  const isSplit = (text.charCodeAt(lettersMax - 1) & 0xfc00) === 0xd800;
  return text.slice(0, isSplit ? lettersMax - 1 : lettersMax);
}

/** The words of the first `unitsMax` UTF-16 units of a text, at most `wordsMax` of them. */
export function splitWords(original: string, unitsMax: number, wordsMax: number): Word[] {
  const { text: normal, origins } = normaliseText(original.length > unitsMax ? original.slice(0, unitsMax) : original);
  // ASCII keeps its length in lower case, other letters may not.
  const text = origins === undefined ? normal.toLowerCase() : normal;
  const words: Word[] = [];
  const add = (word: string, from: number, to: number): void => {
    words.push({ text: cut(word), start: origins?.starts[from] ?? from, end: origins?.ends[to - 1] ?? to });
  };
  pattern.lastIndex = 0;
  for (let match = pattern.exec(text); match !== null && words.length < wordsMax; match = pattern.exec(text)) {
    const [found] = match;
    const form = formOf(match);
    const mark = markOf[form]?.(found);
    if (mark !== undefined || form === 'picture' || origins === undefined) add(mark ?? found, match.index, match.index + found.length);
    else if (!unspaced.test(found)) add(lower(found), match.index, match.index + found.length);
    else {
      for (const part of found.matchAll(unspacedParts)) {
        if (words.length >= wordsMax) break;
        const from = match.index + part.index;
        add(lower(part[0]), from, from + part[0].length);
      }
    }
  }
  return words;
}

const wordGroup = names.indexOf('word') + 1;

function formOf(match: RegExpExecArray): Form {
  if (match[wordGroup] !== undefined) return 'word';
  for (let group = 1; group <= names.length; group += 1) if (match[group] !== undefined) return names[group - 1] as Form;
  return 'word';
}
