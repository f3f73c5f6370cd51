import { SerinError } from '@serin/protocol/errors';
import { tableSchema, type SchemaColumn, type TableSchema } from '@serin/protocol/table-schema';

const invalid = (detail: string, cause?: unknown): SerinError => new SerinError('BAD_REQUEST', { detail, hint: 'docs/data-quality.md shows a schema', cause });

/** A schema as its file has it; everything that is wrong with it is said at once. */
export function parseSchema(text: string): TableSchema {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid('the schema is not JSON', cause);
  }
  const parsed = tableSchema.safeParse(value);
  if (!parsed.success) throw invalid(`the schema: ${parsed.error.issues.slice(0, 8).flatMap(describeIssue).join('; ')}`);
  const faults = faultsOf(parsed.data);
  if (faults.length > 0) throw invalid(`the schema: ${faults.slice(0, 8).join('; ')}`);
  return parsed.data;
}

type Issue = NonNullable<ReturnType<typeof tableSchema.safeParse>['error']>['issues'][number];

function describeIssue(issue: Issue): string[] {
  const place = issue.path.map(String).join('.') || 'it';
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${place} has no field ${key}`);
  if (issue.code === 'invalid_type') return [`${place} must be ${issue.expected}`];
  if (issue.code === 'invalid_value') return [`${place} must be one of ${issue.values.map(String).join(', ')}`];
  if (issue.code === 'too_big') return [`${place} is beyond ${issue.maximum}`];
  if (issue.code === 'too_small') return [`${place} is below ${issue.minimum}`];
  return [`${place}: ${issue.message}`];
}

function faultsOf({ columns }: TableSchema): string[] {
  const faults: string[] = [];
  const names = new Set<string>();
  for (const { name, min, max, pattern } of columns) {
    if (names.has(name)) faults.push(`${name} is there twice`);
    names.add(name);
    if (min !== undefined && max !== undefined && min > max) faults.push(`${name} has min ${min} above max ${max}`);
    if (pattern !== undefined && patternOf(pattern) === undefined) faults.push(`${name} has a pattern that is no regular expression`);
  }
  for (const role of ['label', 'id', 'group', 'time'] as const) {
    const having = columns.filter((column) => column.role === role);
    if (having.length > 1) faults.push(`${having.map(({ name }) => name).join(' and ')} are both ${role}`);
  }
  return faults;
}

/** For the whole of a value. */
export function patternOf(pattern: string): RegExp | undefined {
  try {
    return new RegExp(`^(?:${pattern})$`, 'u');
  } catch {
    return undefined;
  }
}

export const columnOfRole = ({ columns }: TableSchema, role: SchemaColumn['role']): SchemaColumn | undefined => columns.find((column) => column.role === role);

/** Columns that are no features. */
export const columnsApart = ({ columns }: TableSchema): string[] => columns.flatMap(({ name, role }) => (role === 'feature' ? [] : [name]));

/** What a profile must know beforehand to be held against the schema. */
export function profileOptionsOf({ columns }: TableSchema): { keys: string[]; apart: string[] } {
  return {
    keys: columns.flatMap(({ name, role, unique }) => (unique || role === 'id' || role === 'group' ? [name] : [])),
    apart: columns.flatMap(({ name, role, unique }) => (role === 'id' || role === 'ignored' || unique ? [name] : [])),
  };
}
