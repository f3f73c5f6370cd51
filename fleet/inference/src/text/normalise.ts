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
    const run = plainRun(original, at);
    segment.lastIndex = at;
    const found = run > 0 ? '' : (segment.exec(original)?.[0] ?? '');
    const end = at + (run > 0 ? run : found.length);
    if (run > 0) {
      parts.push(original.slice(at, end));
      for (let place = at; place < end; place += 1) {
        starts.push(place);
        ends.push(place + 1);
      }
    } else {
      const normal = found.replace(ignorable, '').replace(loneSurrogate, ' ').normalize('NFKC');
      parts.push(normal);
      for (let index = 0; index < normal.length; index += 1) {
        starts.push(at);
        ends.push(end);
      }
    }
    at = end;
  }
  return { text: parts.join(''), origins: { starts: Uint32Array.from(starts), ends: Uint32Array.from(ends) } };
}

/** How many units of ASCII follow that nothing joins: below U+0300 nothing joins what is before it. */
function plainRun(text: string, from: number): number {
  let at = from;
  while (text.charCodeAt(at) < 0x80) at += 1;
  if (at === from || at === text.length) return at - from;
  return text.charCodeAt(at) >= 0x300 && joiningOne.test(text.charAt(at)) ? at - from - 1 : at - from;
}
