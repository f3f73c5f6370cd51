import { SerinError } from '@serin/protocol/errors';

/** Text of a file in a message: short, whatever the file says. */
export const quote = (text: string): string => (text.length > 100 ? `${text.slice(0, 100)}…` : text);

export const invalid = (detail: string, hint = 'Save the model again with tfjs: the file is damaged or was edited'): SerinError =>
  new SerinError('MODEL_INVALID', { detail, hint });
export const unsupported = (detail: string, hint: string): SerinError => new SerinError('MODEL_UNSUPPORTED', { detail, hint });

export type Json = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

export function objectOf(value: unknown, what: string): Json {
  if (!isObject(value)) throw invalid(`${what} is not an object`);
  return value;
}

export function listOf(value: unknown, what: string, lengthMax: number): readonly unknown[] {
  if (!Array.isArray(value)) throw invalid(`${what} is not a list`);
  if (value.length > lengthMax) throw invalid(`${what} has ${value.length} entries, more than the limit of ${lengthMax}`);
  return value;
}

const textMax = 1000;

export function textOf(value: unknown, what: string): string {
  if (typeof value !== 'string' || value === '' || value.length > textMax) throw invalid(`${what} is not a text of 1 to ${textMax} characters`);
  return value;
}

/** Keys come in the spelling of Python (`batch_input_shape`) or of JavaScript (`batchInputShape`). */
export function field(object: Json, name: string): unknown {
  if (Object.hasOwn(object, name)) return object[name];
  const other = name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  return Object.hasOwn(object, other) ? object[other] : undefined;
}

/** A named choice without regard to its spelling: `hard_sigmoid`, `hardSigmoid`. */
export const plainName = (text: string): string => text.replaceAll('_', '').toLowerCase();

const sizeMax = 2 ** 31 - 1;

/** The settings of one layer. What is absent or null takes the default given; without one it must be there. */
export interface Config {
  /** The layer with its class, for messages. */
  readonly title: string;
  readonly name: string;
  raw(key: string): unknown;
  number(key: string, otherwise?: number): number;
  /** From `least` (1 unless said) on. */
  whole(key: string, otherwise?: number, least?: number): number;
  flag(key: string, otherwise: boolean): boolean;
  /** One of a few words. */
  choice<Word extends string>(key: string, words: readonly Word[], otherwise: Word): Word;
  /** One whole number for each of so many axes; a single number stands for all. */
  sizes(key: string, count: number, otherwise?: readonly number[], least?: number): readonly number[];
  /** Refuses a setting that says anything else than these. */
  only(key: string, allowed: readonly unknown[], hint: string): void;
}

const isWhole = (value: unknown, least: number): value is number => Number.isInteger(value) && Number(value) >= least && Number(value) <= sizeMax;

export function readConfig(settings: Json, name: string, className: string): Config {
  const title = `${quote(name)} (${quote(className)})`;
  const raw = (key: string): unknown => field(settings, key) ?? undefined;
  const wrong = (key: string, rule: string): SerinError => invalid(`${title}: ${key} ${rule}, found ${quote(JSON.stringify(raw(key)) ?? 'nothing')}`);
  const read = <Value>(key: string, otherwise: Value | undefined, check: (value: unknown) => value is Value, rule: string): Value => {
    const value = raw(key) ?? otherwise;
    if (!check(value)) throw wrong(key, rule);
    return value;
  };
  return {
    title,
    name,
    raw,
    number: (key, otherwise) => read(key, otherwise, (value): value is number => Number.isFinite(value), 'must be a number'),
    whole: (key, otherwise, least = 1) => read(key, otherwise, (value): value is number => isWhole(value, least), `must be a whole number from ${least}`),
    flag: (key, otherwise) => read(key, otherwise, (value): value is boolean => typeof value === 'boolean', 'must be true or false'),
    choice: (key, words, otherwise) => {
      const value = raw(key) ?? otherwise;
      const found = words.find((word) => typeof value === 'string' && plainName(word) === plainName(value));
      if (found === undefined) throw unsupported(`${title}: ${key} ${quote(JSON.stringify(value))} is not known`, `It may be ${words.join(', ')}`);
      return found;
    },
    sizes: (key, count, otherwise, least = 1) => {
      const value = raw(key) ?? otherwise;
      const list = Array.isArray(value) ? value : Array.from({ length: count }, () => value);
      if (list.length !== count || !list.every((item) => isWhole(item, least))) throw wrong(key, `must be ${count} whole numbers from ${least}`);
      return list;
    },
    only: (key, allowed, hint) => {
      const value = raw(key);
      const same = (one: unknown): boolean => JSON.stringify(one) === JSON.stringify(value);
      if (value !== undefined && !allowed.some(same)) throw unsupported(`${title}: ${key} ${quote(JSON.stringify(value))}`, hint);
    },
  };
}
