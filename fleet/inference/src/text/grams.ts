import type { TextBuckets } from '@serin/protocol/bundle/preprocessing';

import { extendHash, finishHash, hashText } from './murmur3.ts';
import type { Word } from './words.ts';

/** What is counted apart from a word of the same letters has another seed. */
const lettersSeed = 0x1e77e125;

/** Every run of words and letters that counts, as its bucket with the first and the last of its words. Empty words end runs. */
export function visitGrams(
  words: readonly Word[],
  prefix: string | undefined,
  { bits, words: longest, letters }: TextBuckets,
  visit: (bucket: number, first: number, last: number) => void,
): void {
  const seed = prefix === undefined ? 0 : hashText(prefix, 0);
  const shift = 32 - bits;
  const hashes = Int32Array.from(words, ({ text }) => (text === '' ? 0 : hashText(text, seed)));
  for (let first = 0; first < words.length; first += 1) {
    const { text } = words[first] as Word;
    if (text === '') continue;
    visit((hashes[first] ?? 0) >>> shift, first, first);
    let run = extendHash(seed, hashes[first] ?? 0);
    for (let last = first + 1; last < first + longest && last < words.length && words[last]?.text !== ''; last += 1) {
      run = extendHash(run, hashes[last] ?? 0);
      visit(finishHash(run, last - first + 1) >>> shift, first, last);
    }
    if (letters === undefined || text.startsWith('<')) continue;
    const marked = `<${text}>`;
    for (let length = letters.from; length <= letters.to; length += 1) {
      for (let at = 0; at + length <= marked.length; at += 1) {
        visit(hashText(marked.slice(at, at + length), seed ^ lettersSeed) >>> shift, first, first);
      }
    }
  }
}
