import type { Cell } from '../records/batch.ts';

/** What people write where there is nothing, in small letters. */
export const missingSpellings: readonly string[] = ['', 'na', 'n/a', '#n/a', '<na>', 'null', 'nan', 'none', 'nil', '?', '-', '\\n'];

const spellingLengthMax = 4;
const spellings: ReadonlySet<string> = new Set(missingSpellings);

export function isMissing(cell: Cell): cell is null {
  if (cell === null) return true;
  if (typeof cell === 'number') return Number.isNaN(cell);
  if (typeof cell === 'boolean') return false;
  return cell.length <= spellingLengthMax ? isSpelling(cell) : isBlankText(cell);
}

function isSpelling(text: string): boolean {
  const code = text.charCodeAt(0);
  // Digits are by far the most frequent beginning.
  if (code >= 48 && code <= 57) return false;
  return spellings.has(text.trim().toLowerCase());
}

const isBlankText = (text: string): boolean => text.charCodeAt(0) <= 32 && text.trim() === '';

const powers = Float64Array.from({ length: 23 }, (_, at) => 10 ** at);

/**
 * The number that a text is, with blanks around it; NaN for anything else. Up to 15 digits and 22 decimals both parts of the
 * quotient are exact, so it is rounded once, as `Number` does, in a fraction of the time.
 */
export function numberOf(text: string): number {
  const { length } = text;
  let at = 0;
  let sign = 1;
  const first = text.charCodeAt(0);
  if (first === 45 || first === 43) {
    if (first === 45) sign = -1;
    at = 1;
  }
  let mantissa = 0;
  let digits = 0;
  let decimals = -1;
  for (; at < length; at += 1) {
    const code = text.charCodeAt(at) - 48;
    if (code >= 0 && code <= 9) {
      mantissa = mantissa * 10 + code;
      digits += 1;
      if (decimals >= 0) decimals += 1;
    } else if (code === -2 && decimals < 0) decimals = 0;
    // Only blanks around it, exponents and words such as `inf` may still be numbers.
    else return at < 2 || code === 53 || code === 21 || code <= -16 ? slowNumber(text) : Number.NaN;
  }
  if (digits === 0 || digits > 15) return slowNumber(text);
  return sign * (decimals > 0 ? mantissa / (powers[decimals] as number) : mantissa);
}

const written = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$/;
const infinite = /^\s*([+-]?)inf(?:inity)?\s*$/i;

/** Most texts are told by their first letter. */
const mayBegin = /^[\s\d+.\-iI]/;

function slowNumber(text: string): number {
  if (!mayBegin.test(text) || text.length > 400) return Number.NaN;
  if (written.test(text)) return Number(text);
  const match = infinite.exec(text);
  return match === null ? Number.NaN : match[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

/** A whole number that begins with zeros is a code: reading it as a number would lose them. */
export function isPadded(text: string): boolean {
  if (text.charCodeAt(0) !== 48 || text.length < 2) return false;
  const second = text.charCodeAt(1);
  return second >= 48 && second <= 57;
}

const booleans = new Map([
  ['true', true],
  ['false', false],
  ['yes', true],
  ['no', false],
]);

export const booleanOf = (text: string): boolean | undefined => (text.length <= 7 ? booleans.get(text.trim().toLowerCase()) : undefined);

const iso = /^(\d{4})[-/](\d{2})[-/](\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?\s?(Z|[+-]\d{2}:?\d{2})?)?$/;
const common = /^\d{1,2}([./-])\d{1,2}\1(?:\d{4}|\d{2})(?:,?[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:\s?[AaPp]\.?[Mm]\.?)?)?$/;

/** Told from a time that cannot be compared. */
export const someTime = Number.NEGATIVE_INFINITY;

/**
 * Milliseconds since 1970 of a time written by ISO 8601 (UTC where no zone is said), `someTime` for another common form,
 * whose day and month may stand either way round, and NaN for anything else.
 */
export function timeOf(text: string): number {
  const { length } = text;
  if (length < 6 || length > 40) return Number.NaN;
  const first = text.charCodeAt(0) - 48;
  if (first < 0 || first > 9) return Number.NaN;
  const plain = plainTime(text);
  if (plain === plain) return plain;
  const match = iso.exec(text);
  if (match === null) return common.test(text) ? someTime : Number.NaN;
  const [, year, month, day, hour = '0', minute = '0', second = '0', zone] = match;
  if (Number(month) < 1 || Number(month) > 12 || Number(day) < 1 || Number(day) > 31 || Number(hour) > 24 || Number(minute) > 59 || Number(second) > 60)
    return Number.NaN;
  const at = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
  if (zone === undefined || zone === 'Z') return at;
  const sign = zone.startsWith('-') ? 1 : -1;
  return at + sign * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2))) * 60_000;
}

const two = (text: string, at: number): number => {
  const [tens, ones] = [text.charCodeAt(at) - 48, text.charCodeAt(at + 1) - 48];
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
};

/** `2025-01-31T12:00:00.000Z` and the like, which is what most files have: a sixth of the time of the expression. */
function plainTime(text: string): number {
  const { length } = text;
  const separator = text.charCodeAt(10);
  if (text.charCodeAt(4) !== 45 || text.charCodeAt(7) !== 45 || length < 20 || (separator !== 84 && separator !== 32)) return Number.NaN;
  if (
    text.charCodeAt(13) !== 58 ||
    text.charCodeAt(16) !== 58 ||
    text.charCodeAt(length - 1) !== 90 ||
    (length !== 20 && (length !== 24 || text.charCodeAt(19) !== 46))
  )
    return Number.NaN;
  const [month, day, hour, minute, second] = [two(text, 5), two(text, 8), two(text, 11), two(text, 14), two(text, 17)];
  if (!(month >= 1 && month <= 12 && day >= 1 && day <= 31 && hour <= 24 && minute <= 59 && second <= 60)) return Number.NaN;
  return Date.UTC(two(text, 0) * 100 + two(text, 2), month - 1, day, hour, minute, second);
}

/** UTF-8 that was read as Windows-1252 (once or twice), and the mark of what could not be read at all. */
const damage =
  /\ufffd|[\u00c2\u00c3][\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013\u2014\u2018-\u201e\u2020-\u2022\u2026\u2030\u2039\u203a\u20ac\u2122]|\u00e2\u20ac[\u0080-\u00bf\u0153\u02dc\u201c\u201d\u2018\u2019\u2122\u00a6]/;

export const isDamaged = (text: string): boolean => damage.test(text);
