import fc, { type Arbitrary } from 'fast-check';
import type { z } from 'zod/mini';

/** The parts of zod's definitions that the walk below reads. */
interface Definition {
  type: string;
  format?: string;
  checks?: { _zod: { def: { check: string; value?: number; minimum?: number; maximum?: number; inclusive?: boolean; pattern?: RegExp } } }[];
  element?: z.core.$ZodType;
  items?: z.core.$ZodType[];
  shape?: Record<string, z.core.$ZodType>;
  innerType?: z.core.$ZodType;
  keyType?: z.core.$ZodType;
  valueType?: z.core.$ZodType;
  options?: z.core.$ZodType[];
  entries?: Record<string, string>;
  values?: unknown[];
}

function bounds(definition: Definition): {
  least: number | undefined;
  most: number | undefined;
  isOpenBelow: boolean;
  isOpenAbove: boolean;
  pattern: RegExp | undefined;
} {
  const found = {
    least: undefined as number | undefined,
    most: undefined as number | undefined,
    isOpenBelow: false,
    isOpenAbove: false,
    pattern: undefined as RegExp | undefined,
  };
  for (const { _zod } of definition.checks ?? []) {
    const { check, value, minimum, maximum, inclusive, pattern } = _zod.def;
    if (check === 'greater_than') [found.least, found.isOpenBelow] = [value, inclusive === false];
    else if (check === 'less_than') [found.most, found.isOpenAbove] = [value, inclusive === false];
    else if (check === 'min_length') found.least = minimum;
    else if (check === 'max_length') found.most = maximum;
    else if (check === 'string_format') found.pattern = pattern;
    else throw new Error(`no arbitrary for the check ${check}`);
  }
  return found;
}

function numberOf(definition: Definition): Arbitrary<unknown> {
  const { least, most, isOpenBelow, isOpenAbove } = bounds(definition);
  if (definition.format === 'safeint') return fc.integer({ min: least ?? Number.MIN_SAFE_INTEGER, max: most ?? Number.MAX_SAFE_INTEGER });
  return fc.double({
    min: least ?? -Number.MAX_VALUE,
    max: most ?? Number.MAX_VALUE,
    minExcluded: isOpenBelow,
    maxExcluded: isOpenAbove,
    noNaN: true,
    noDefaultInfinity: true,
  });
}

function stringOf(definition: Definition): Arbitrary<string> {
  const { least, most, pattern } = bounds(definition);
  if (pattern !== undefined) return fc.stringMatching(pattern);
  return fc
    .string({ unit: 'grapheme', minLength: least ?? 0, maxLength: Math.min(most ?? 20, 20) })
    .filter((text) => most === undefined || text.length <= most);
}

function definitionOf(schema: z.core.$ZodType): Definition {
  return schema._zod.def as unknown as Definition;
}

function required<Part>(part: Part | undefined): Part {
  if (part === undefined) throw new Error('a schema lacks a part its kind needs');
  return part;
}

const makers: Record<string, (definition: Definition) => Arbitrary<unknown>> = {
  string: stringOf,
  number: numberOf,
  boolean: () => fc.boolean(),
  null: () => fc.constant(null),
  literal: ({ values }) => fc.constantFrom(...required(values)),
  enum: ({ entries }) => fc.constantFrom(...Object.values(required(entries))),
  nullable: ({ innerType }) => fc.option(build(required(innerType))),
  tuple: ({ items }) => fc.tuple(...required(items).map(build)),
  union: ({ options }) => fc.oneof(...required(options).map(build)),
  record: ({ keyType, valueType }) =>
    fc.dictionary(build(required(keyType)) as Arbitrary<string>, build(required(valueType)), { maxKeys: 4, noNullPrototype: true }),
  // Every custom schema of the protocol is a byte string.
  custom: () => fc.uint8Array({ maxLength: 64 }),
  array: (definition) => {
    const { least, most } = bounds(definition);
    return fc.array(build(required(definition.element)), { minLength: least ?? 0, maxLength: Math.min(most ?? 6, Math.max(least ?? 0, 6)) });
  },
  object: ({ shape }) => {
    const fields = Object.entries(required(shape));
    const model = Object.fromEntries(
      fields.map(([name, field]) => [name, build(field._zod.def.type === 'optional' ? required(definitionOf(field).innerType) : field)]),
    );
    return fc.record(model, { requiredKeys: fields.filter(([, field]) => field._zod.def.type !== 'optional').map(([name]) => name), noNullPrototype: true });
  },
};

function build(schema: z.core.$ZodType): Arbitrary<unknown> {
  const definition = definitionOf(schema);
  const maker = makers[definition.type];
  if (maker === undefined) throw new Error(`no arbitrary for ${definition.type}`);
  return maker(definition);
}

/** Values a schema accepts, made from the schema itself, so a field that is added is covered at once. */
export function arbitraryOf<Schema extends z.ZodMiniType>(schema: Schema): Arbitrary<z.infer<Schema>> {
  return build(schema) as Arbitrary<z.infer<Schema>>;
}
