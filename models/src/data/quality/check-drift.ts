import { jensenShannon } from '@serin/stats/distances';
import type { SchemaColumn } from '@serin/protocol/table-schema';

import { counted, figure, inPercent, quoted } from './anomalies.ts';
import { gapAtLeast, scaled } from './distribution-gap.ts';
import { gapByChance, lnChanceOfNew, lnSameLevels } from './evidence.ts';
import type { ColumnProfile, Distribution, TableProfile } from './summary.ts';
import type { Check } from './validate.ts';

/** Smaller changes are none that would matter, however certain. */
const gapMin = 0.05;
const gapError = 0.3;
const distanceMin = 0.1;
const distanceError = 0.4;

/** What one column shows beside the reference. */
export function checkDrift(check: Check, column: ColumnProfile, schema: SchemaColumn): void {
  const before = check.reference?.columns.find(({ name }) => name === schema.name);
  if (before === undefined || schema.role === 'ignored' || schema.role === 'id' || schema.role === 'group' || schema.role === 'time') return;
  if (schema.role === 'label' && schema.levels !== undefined) checkClasses(check, column, before, schema);
  else if (column.numbers !== null && before.numbers !== null) checkNumbers(check, column, before, schema);
  else checkLevels(check, column, before, schema, 'shift');
}

function checkNumbers(check: Check, column: ColumnProfile, before: ColumnProfile, { name }: SchemaColumn): void {
  const [now, then] = [column.numbers, before.numbers];
  if (now === null || then === null) return;
  const chance = gapByChance(now.count, then.count, check.alpha);
  const gap = gapAtLeast(now.distribution, then.distribution);
  const limit = Math.max(chance, gapMin);
  if (!(gap > limit)) return;
  const medians = `the median is ${figure(now.quantiles[3] ?? Number.NaN)}, it was ${figure(then.quantiles[3] ?? Number.NaN)}`;
  const unit = unitOf(now.distribution, then.distribution, gap, limit);
  if (unit !== undefined) {
    check.explained.add(name);
    const words = `${name} looks written in another unit, ${unit}: ${medians}; convert it`;
    return check.report('unit', 'error', { column: name, count: now.count, words });
  }
  check.report('shift', gap >= gapError ? 'error' : 'warning', {
    column: name,
    count: now.count,
    words: `${name} is distributed otherwise than before: ${medians}, and the distributions are ${inPercent(gap)} apart where ${inPercent(limit)} is borne; look at where the records come from`,
  });
}

const factors: readonly (readonly [number, string])[] = [
  [10, 'ten times as large'],
  [100, 'a hundred times as large, as percent or centimetres are'],
  [1000, 'a thousand times as large'],
  [1e6, 'a million times as large'],
  [25.4, 'millimetres for inches'],
  [2.54, 'centimetres for inches'],
  [0.3048, 'metres for feet'],
  [0.453592, 'kilograms for pounds'],
  [1.609344, 'kilometres for miles'],
  [60, 'sixty times as large, as seconds for minutes'],
  [3600, 'seconds for hours'],
  [86_400, 'seconds for days'],
  [24, 'hours for days'],
  [Math.PI / 180, 'radians for degrees'],
  [1024, '1024 times as large'],
];

/** The conversion after which most of the gap is gone. */
function unitOf(now: Distribution, then: Distribution, gap: number, limit: number): string | undefined {
  let best: string | undefined;
  let least = Math.min(gap / 3, Math.max(limit, 0.1));
  const consider = (factor: number, offset: number, words: string): void => {
    const left = gapAtLeast(now, scaled(then, factor, offset));
    if (left >= least) return;
    least = left;
    best = words;
  };
  for (const [factor, words] of factors) {
    consider(factor, 0, words);
    consider(1 / factor, 0, `the other way round: ${words}`);
  }
  consider(1.8, 32, 'Fahrenheit for Celsius');
  consider(1 / 1.8, -32 / 1.8, 'Celsius for Fahrenheit');
  consider(1, 273.15, 'kelvin for Celsius');
  consider(1, -273.15, 'Celsius for kelvin');
  consider(-1, 0, 'the sign turned round');
  return best;
}

/** Counts of the same levels, now and then; undefined where either has too many. */
function countsOf(
  column: ColumnProfile,
  before: ColumnProfile,
  isOurs: (level: string) => boolean,
): readonly [levels: string[], now: number[], then: number[]] | undefined {
  if (column.values === null || before.values === null) return undefined;
  const counts = new Map<string, [number, number]>();
  const add = (values: NonNullable<ColumnProfile['values']>, side: 0 | 1): void => {
    for (const { value, count } of values) {
      const level = value.trim();
      if (!isOurs(level)) continue;
      const pair = counts.get(level) ?? [0, 0];
      pair[side] += count;
      counts.set(level, pair);
    }
  };
  add(column.values, 0);
  add(before.values, 1);
  const pairs = [...counts.values()];
  return [[...counts.keys()], pairs.map(([now]) => now), pairs.map(([, then]) => then)];
}

function checkLevels(check: Check, column: ColumnProfile, before: ColumnProfile, { name, levels }: SchemaColumn, kind: 'shift' | 'label-shift'): void {
  // What was never seen is told by itself.
  const known = levels === undefined ? undefined : new Set(levels);
  const counts = countsOf(column, before, (level) => known === undefined || known.has(level));
  if (counts === undefined) return;
  const [names, now, then] = counts;
  const distance = jensenShannon(then, now, '2');
  if (!(distance >= distanceMin) || lnSameLevels(now, then) >= Math.log(check.alpha)) return;
  const [total, totalThen] = [now, then].map((list) => list.reduce((sum, count) => sum + count, 0)) as [number, number];
  const changes = names.map((level, at) => ({ level, now: (now[at] as number) / total, before: (then[at] as number) / totalThen }));
  const most = changes.reduce((a, b) => (Math.abs(b.now - b.before) > Math.abs(a.now - a.before) ? b : a));
  check.report(kind, distance >= distanceError ? 'error' : 'warning', {
    column: name,
    count: total,
    words: `${name} is distributed otherwise than before: ${quoted(most.level)} is ${inPercent(most.now)} of the values and was ${inPercent(most.before)} (distance ${distance.toFixed(2)}, at most ${distanceMin} is borne); look at where the records come from`,
  });
}

function checkClasses(check: Check, column: ColumnProfile, before: ColumnProfile, schema: SchemaColumn): void {
  const present = column.count - column.missing.count;
  const here = new Set((column.values ?? []).map(({ value }) => value.trim()));
  const rows = before.count - before.missing.count;
  const gone = (before.values ?? []).filter(({ value, count }) => !here.has(value.trim()) && lnChanceOfNew(count, rows, present) < Math.log(check.alpha));
  for (const { value, count } of gone) {
    const words = `no record is of class ${quoted(value)}, which ${inPercent(count / rows)} were of before; a model that learns from these records would forget it`;
    check.report('class-vanished', 'error', { column: schema.name, count, words });
  }
  if (gone.length === 0) checkLevels(check, column, before, schema, 'label-shift');
}

const rareRows = 5;
const rareShare = 0.001;

/** Without a reference, which classes are too rare is a matter of what can be learnt. */
export function checkBalance(check: Check, profile: TableProfile, schema: SchemaColumn): void {
  const column = profile.columns.find(({ name }) => name === schema.name);
  if (check.reference !== undefined || schema.levels === undefined || column?.values == null) return;
  const present = column.count - column.missing.count;
  const rare = column.values.filter(({ count }) => count < rareRows || count / present < rareShare);
  for (const { value, count, place } of rare) {
    const words = `class ${quoted(value)} has ${counted(count, 'record')} (${inPercent(count / present)}); below ${rareRows} or ${inPercent(rareShare)} it is hardly learnt and cannot be judged, so collect more or join it to another`;
    check.report('class-rare', 'warning', { column: schema.name, places: [place], count, words });
  }
}
