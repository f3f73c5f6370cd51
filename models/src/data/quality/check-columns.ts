import type { SchemaColumn } from '@serin/protocol/table-schema';

import { counted, figure, inPercent, quoted, some } from './anomalies.ts';
import { exceeds, lnChanceOfNew, shareAtMost } from './evidence.ts';
import type { Marks } from './marks.ts';
import { patternOf } from './schema.ts';
import { emptyValue, readValue } from './seen-value.ts';
import type { ColumnProfile, ValueProfile } from './summary.ts';
import type { Check } from './validate.ts';

/** What one column shows by itself, held against the schema. */
export function checkColumn(check: Check, column: ColumnProfile, schema: SchemaColumn): void {
  checkMissing(check, column, schema);
  checkType(check, column, schema);
  checkRange(check, column, schema);
  checkLevels(check, column, schema);
  checkPattern(check, column, schema);
  checkDamage(check, column, schema);
  checkTimes(check, column, schema);
  if (schema.unique && column.copies !== null && column.copies.count > 0) {
    const { count, places } = column.copies;
    check.report('id-duplicate', 'error', {
      column: schema.name,
      places,
      count,
      words: `${counted(count, 'record')} ${count === 1 ? 'has' : 'have'} a ${schema.name} that an earlier record has; ids must be there once, so drop the copies or name another id`,
    });
  }
}

function checkMissing(check: Check, column: ColumnProfile, { name, role, required, missingMax }: SchemaColumn): void {
  const { count, places } = column.missing;
  if (count === 0) return;
  const share = count / column.count;
  const words = `${counted(count, 'value')} of ${name} (${inPercent(share)}) ${count === 1 ? 'is' : 'are'} missing`;
  if (role === 'label') {
    return check.report('label-missing', 'error', { column: name, places, count, words: `${words}; label these records or leave them out` });
  }
  const limit = required ? 0 : missingMax;
  if (limit === undefined || !exceeds(count, column.count, limit, check.alpha)) return;
  const severity = required || share > limit + 0.1 ? 'error' : 'warning';
  check.report('missing', severity, {
    column: name,
    places,
    count,
    words: `${words}, ${limit === 0 ? 'none may be' : `at most ${inPercent(limit)} may be`}; look at where the records come from, or raise missingMax`,
  });
}

const wrongVotes = {
  integer: ['number', 'boolean', 'time', 'text'],
  number: ['boolean', 'time', 'text'],
  boolean: ['number', 'padded', 'time', 'text'],
  time: ['integer', 'number', 'padded', 'boolean', 'text'],
  category: [],
  text: [],
} as const;

function checkType(check: Check, column: ColumnProfile, { name, type, role }: SchemaColumn): void {
  if (role === 'ignored') return;
  const { votes, count, missing } = column;
  const wrong: Marks[] = wrongVotes[type].map((vote) => votes[vote]);
  const total = wrong.reduce((sum, marks) => sum + marks.count, 0);
  if (total > 0) {
    const places = wrong.flatMap((marks) => marks.places).sort((one, other) => one[0] - other[0] || one[1] - other[1]);
    const votesOf: readonly string[] = wrongVotes[type];
    const examples = (column.values ?? column.top)
      .filter(({ value }) => votesOf.includes(readValue(emptyValue(), value).vote))
      .map(({ value }) => quoted(value));
    const say = examples.length === 0 ? '' : ` (${some(examples, 3)})`;
    const words = `${counted(total, 'value')} of ${name}, ${inPercent(total / Math.max(1, count - missing.count))}, ${total === 1 ? 'is' : 'are'} no ${type}${say}; mend them, leave them empty if they are not known, or change the type in the schema`;
    check.report('wrong-type', 'error', { column: name, places, count: total, words });
  }
  if (votes.infinite.count > 0 && (type === 'integer' || type === 'number')) {
    const words = `${counted(votes.infinite.count, 'value')} of ${name} ${votes.infinite.count === 1 ? 'is' : 'are'} infinite; leave them out or mend them`;
    check.report('not-finite', 'error', { column: name, places: votes.infinite.places, count: votes.infinite.count, words });
  }
}

const outsideErrorShare = 0.01;

function checkRange(check: Check, { numbers }: ColumnProfile, { name, role, min, max }: SchemaColumn): void {
  if (numbers === null || role === 'ignored' || check.explained.has(name)) return;
  const low = min === undefined ? [] : numbers.lowest.filter(({ value }) => value < min);
  const high = max === undefined ? [] : numbers.highest.filter(({ value }) => value > max);
  if (low.length + high.length === 0) return;
  const { at, upTo } = numbers.distribution;
  const below = min === undefined ? 0 : at.reduce((share, value, place) => (value < min ? (upTo[place] as number) : share), 0);
  const above = max === undefined ? 0 : 1 - at.reduce((share, value, place) => (value <= max ? (upTo[place] as number) : share), 0);
  const count =
    Math.max(low.length, low.length < numbers.lowest.length ? 0 : below * numbers.count) +
    Math.max(high.length, high.length < numbers.highest.length ? 0 : above * numbers.count);
  const limits = [min === undefined ? '' : `from ${figure(min)}`, max === undefined ? '' : `to ${figure(max)}`].filter((part) => part !== '').join(' ');
  check.report('out-of-range', count / numbers.count >= outsideErrorShare ? 'error' : 'warning', {
    column: name,
    places: [...low, ...high].map(({ place }) => place),
    count,
    words: `${counted(count, 'value')} of ${name} ${Math.round(count) === 1 ? 'lies' : 'lie'} beyond the limits ${limits}, ${figure((low[0] ?? high[0])?.value ?? Number.NaN)} say; mend them, or widen the range in the schema`,
  });
}

function checkLevels(check: Check, column: ColumnProfile, schema: SchemaColumn): void {
  const { name, role, levels, closed = check.schema.rows === 0, type } = schema;
  if (role === 'ignored' || column.values === null) return;
  const strange = levels === undefined ? [] : strangeLevels(column.values, levels);
  const variants = type === 'category' || type === 'boolean' || role === 'label' ? variantsOf(column.values, levels) : [];
  if (variants.length > 0) {
    const count = variants.reduce((sum, [one]) => sum + one.count, 0);
    check.report('variants', 'warning', {
      column: name,
      places: variants.map(([{ place }]) => place),
      count,
      words: `${counted(count, 'value')} of ${name} differ${count === 1 ? 's' : ''} from another only in case or blanks, ${some(
        variants.map(([one, other]) => `${quoted(one.value)} and ${quoted(other)}`),
        3,
      )}; write each level in one way`,
    });
  }
  const explained = new Set(variants.map(([{ value }]) => value));
  const unseen = strange.filter(({ value }) => !explained.has(value));
  const count = unseen.reduce((sum, one) => sum + one.count, 0);
  if (count === 0) return;
  if (!closed && !isBeyondChance(check, name, unseen, column.count - column.missing.count)) return;
  const kind = role === 'label' ? 'class-new' : 'unseen';
  const what = role === 'label' ? 'a class that was never seen' : 'a level that was never seen and will count as missing';
  check.report(kind, role === 'label' || closed ? 'error' : 'warning', {
    column: name,
    places: unseen.map(({ place }) => place),
    count,
    words: `${counted(count, 'value')} of ${name} ${count === 1 ? 'is' : 'are'} ${what}, ${some(unseen.map(({ value }) => quoted(value)))}; mend them, or add them to the levels of the schema`,
  });
}

const strangeLevels = (values: readonly ValueProfile[], levels: readonly string[]): ValueProfile[] => {
  const known = new Set(levels);
  return values.filter(({ value }) => !known.has(value.trim()));
};

/** A level that was merely rare may well be new; so may a few of many that are. */
function isBeyondChance({ alpha, schema, reference }: Check, name: string, unseen: readonly ValueProfile[], present: number): boolean {
  const before = reference?.columns.find((column) => column.name === name);
  const rows = before === undefined ? schema.rows : before.count - before.missing.count;
  const lnAlpha = Math.log(alpha / unseen.length);
  if (unseen.some(({ count }) => lnChanceOfNew(count, present, rows) < lnAlpha)) return true;
  if (before?.values == null) return false;
  // The share of what was never seen is about that of what was seen once (Good 1953): an approximation.
  const once = before.values.filter(({ count }) => count === 1).length;
  const total = unseen.reduce((sum, { count }) => sum + count, 0);
  return exceeds(total, present, shareAtMost(once + 1, rows, alpha), alpha);
}

/** Values that would be a known or more frequent one, were case and blanks as there. */
function variantsOf(values: readonly ValueProfile[], levels: readonly string[] | undefined): (readonly [ValueProfile, string])[] {
  const known = new Set(levels);
  const firsts = new Map<string, string>();
  const bare = (value: string): string => {
    const plain = value.normalize('NFKC').trim().replaceAll(/\s+/g, ' ');
    // Single letters and pairs are codes more often than words: `a` and `A` may differ.
    return plain.length > 2 ? plain.toLowerCase() : plain;
  };
  for (const level of levels ?? []) firsts.set(bare(level), level);
  const variants: (readonly [ValueProfile, string])[] = [];
  for (const value of values) {
    const first = firsts.get(bare(value.value));
    if (first === undefined) firsts.set(bare(value.value), value.value);
    else if (first !== value.value && !known.has(value.value)) variants.push([value, first]);
  }
  return variants;
}

function checkPattern(check: Check, { values, top }: ColumnProfile, { name, pattern }: SchemaColumn): void {
  const expression = pattern === undefined ? undefined : patternOf(pattern);
  if (expression === undefined) return;
  const wrong = (values ?? top).filter(({ value }) => !expression.test(value));
  const count = wrong.reduce((sum, one) => sum + one.count, 0);
  if (count === 0) return;
  const words = `${counted(count, 'value')} of ${name} ${count === 1 ? 'does' : 'do'} not match ${pattern}, ${some(
    wrong.map(({ value }) => quoted(value)),
    3,
  )}; mend them or the pattern`;
  check.report('pattern', 'error', { column: name, places: wrong.map(({ place }) => place), count, words });
}

const damageErrorShare = 0.01;

function checkDamage(check: Check, { damaged, count }: ColumnProfile, { name, role }: SchemaColumn): void {
  if (damaged.count === 0 || role === 'ignored') return;
  check.report('encoding', role === 'label' || damaged.count / count >= damageErrorShare ? 'error' : 'warning', {
    column: name,
    places: damaged.places,
    count: damaged.count,
    words: `${counted(damaged.count, 'value')} of ${name} ${damaged.count === 1 ? 'has' : 'have'} damaged letters such as "Ã©" for "é"; the text was read in the wrong encoding once: export it anew as UTF-8`,
  });
}

const aheadMs = 86_400_000;

function checkTimes(check: Check, { times }: ColumnProfile, { name, role, ordered }: SchemaColumn): void {
  if (times === null || role === 'ignored') return;
  if (ordered && times.outOfOrder.count > 0) {
    const { count, places } = times.outOfOrder;
    const words = `${counted(count, 'record')} ${count === 1 ? 'lies' : 'lie'} before the one ahead of ${count === 1 ? 'it' : 'them'} by ${name}; sort the file, or set ordered to false`;
    check.report('time-order', 'warning', { column: name, places, count, words });
  }
  if (check.now !== undefined && times.max > check.now + aheadMs) {
    const words = `${name} reaches ${new Date(times.max).toISOString()}, more than a day ahead; look at the clock and the order of day and month`;
    check.report('time-future', 'error', { column: name, count: 1, words });
  }
}

/** A column of one value that had several before, or had them never as far as is known. */
export function checkConstant(check: Check, { distinct, count, missing }: ColumnProfile, { name, role }: SchemaColumn): void {
  if (role !== 'feature' || count < 2) return;
  const present = count - missing.count;
  if (distinct > 1) return;
  const before = check.reference?.columns.find((column) => column.name === name);
  if (before !== undefined) {
    if (before.distinct <= 1 || present === 0) return;
    const most = before.top[0]?.count ?? 1;
    const rows = before.count - before.missing.count;
    if (before.distinctExact && present * Math.log(Math.max(shareAtMost(most, rows, check.alpha), 1e-12)) > Math.log(check.alpha)) return;
  }
  const words = present === 0 ? `${name} has no value at all` : `${name} has the same value in all of ${counted(present, 'record')}`;
  check.explained.add(name);
  check.report('constant', 'warning', {
    column: name,
    count: present,
    words: `${words}; nothing can be learnt from it, so look at where it comes from or ignore it`,
  });
}
