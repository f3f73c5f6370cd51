/** HTML that is written already: only `html` makes it, and everything else is escaped where it is put in. */
export interface Markup {
  readonly markup: string;
}

export type Part = Markup | string | number | false | null | undefined | readonly Part[];

/** Control characters end nothing here, and marks that turn the direction of writing cannot reorder what stands beside them. */
const unsafe = /[\p{Cc}\p{Cs}\u202A-\u202E\u2066-\u2069\u200E\u200F\u061C\uFEFF]/gu;
const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;', '`': '&#96;' };

export const escapeText = (text: string): string =>
  text
    .replace(/[\n\r\t]+/g, ' ')
    .replace(unsafe, '\uFFFD')
    .replace(/[&<>"'`]/g, (letter) => escapes[letter] ?? '');

/** A tagged template: what stands in it is markup, what is put into it is text unless `html` made it. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  let markup = strings[0] ?? '';
  parts.forEach((part, place) => (markup += write(part) + (strings[place + 1] ?? '')));
  return { markup };
}

function write(part: Part): string {
  if (part === null || part === undefined || part === false) return '';
  if (typeof part === 'string') return escapeText(part);
  if (typeof part === 'number') return String(part);
  if ('markup' in part) return part.markup;
  return part.map(write).join('');
}
