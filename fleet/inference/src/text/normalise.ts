/** A text in its compatibility form, and where each of its UTF-16 units came from. */
export interface NormalText {
  readonly text: string;
  /** Start and end in the original of what became the unit; undefined where nothing moved. */
  readonly origins: { readonly starts: Uint32Array; readonly ends: Uint32Array } | undefined;
}

/** Letters that may join the one before them: marks, and the vowels and finals of Hangul in all their forms. */
const joining = String.raw`\p{M}\u1160-\u11ff\u3131-\u318e\uff9e\uff9f\uffa0-\uffdc`;
/** No longer than what the standard calls stream-safe: a heap of marks costs no more than a text of that length. */
const joiningMax = 30;
const segment = new RegExp(`[^][${joining}]{0,${joiningMax}}`, 'uy');
const joiningOne = new RegExp(`[${joining}]`, 'u');
const ignorable = /\p{Default_Ignorable_Code_Point}/gu;
const loneSurrogate = /\p{Cs}/gu;
const plain = /^[\0-\x7f]*$/;

/**
 * NFKC, a letter with its marks at a time, so that places in the original are kept. What is invisible is left out,
 * and half a surrogate pair becomes a space. ASCII stays as it is.
 */
export function normaliseText(original: string): NormalText {
  if (plain.test(original)) return { text: original, origins: undefined };
  const parts: string[] = [];
  const starts: number[] = [];
  const ends: number[] = [];
  for (let at = 0; at < original.length;) {
    const unit = original.charCodeAt(at);
    const next = original.charCodeAt(at + 1);
    // Nothing below U+0300 joins what is before it; at the end `next` is not a number.
    const isAlone = unit < 0x80 && !(next >= 0x300 && joiningOne.test(String.fromCharCode(next)));
    segment.lastIndex = at;
    const found = isAlone ? original.charAt(at) : (segment.exec(original)?.[0] ?? '');
    const normal = isAlone ? found : found.replace(ignorable, '').replace(loneSurrogate, ' ').normalize('NFKC');
    const end = at + found.length;
    parts.push(normal);
    for (let index = 0; index < normal.length; index += 1) {
      starts.push(at);
      ends.push(end);
    }
    at = end;
  }
  return { text: parts.join(''), origins: { starts: Uint32Array.from(starts), ends: Uint32Array.from(ends) } };
}
