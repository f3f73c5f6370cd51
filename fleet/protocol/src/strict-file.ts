import { z } from 'zod/mini';
import { SerinError, type ErrorCode } from './errors.ts';

/** Files that people write, as JSON: read strictly, and told all at once what is wrong with them, with names that were meant. */

/** One thing that is wrong with a file: where, and the rule in words. */
export interface FileFault {
  readonly path: string;
  readonly rule: string;
}

const shownMax = 40;

/** What a text holds. Throws the code where it is not JSON, with the place. */
export function readJson(text: string, code: ErrorCode, bytesMax: number): unknown {
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > bytesMax) refuseFaults(code, [{ path: 'the file', rule: `has ${bytes} bytes; at most ${bytesMax} are read` }]);
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (cause) {
    throw new SerinError(code, { detail: `it is not JSON: ${placeOf(text, cause)}`, hint: 'Mend the JSON; comments are not part of it', cause });
  }
}

/** Every field that is wrong. */
export function faultsIn(schema: z.ZodMiniType, content: unknown): FileFault[] {
  const parsed = schema.safeParse(content);
  return parsed.success ? [] : faultsOf(schema, parsed.error.issues, content);
}

/** Content by its schema. Throws the code with every field that is wrong. */
export function checkContent<Schema extends z.ZodMiniType>(schema: Schema, content: unknown, code: ErrorCode): z.infer<Schema> {
  const parsed = schema.safeParse(content);
  if (!parsed.success) refuseFaults(code, faultsOf(schema, parsed.error.issues, content));
  return parsed.data;
}

export function refuseFaults(code: ErrorCode, faults: readonly FileFault[]): never {
  const lines = faults.slice(0, shownMax).map(({ path, rule }) => `  ${path}: ${rule}`);
  const more = faults.length > shownMax ? `\n  and ${faults.length - shownMax} more` : '';
  throw new SerinError(code, { detail: `${faults.length} field${faults.length === 1 ? '' : 's'}\n${lines.join('\n')}${more}` });
}

/** The schema as editors read it. */
export const schemaOf = (schema: z.ZodMiniType): SchemaNode => z.toJSONSchema(schema, { io: 'input' }) as SchemaNode;
export const schemaText = (schema: z.ZodMiniType): string => `${JSON.stringify(schemaOf(schema), undefined, 2)}\n`;

/** JSON.parse tells a position, sometimes; people count lines. The fault lies at the end of the longest beginning that merely breaks off. */
function placeOf(text: string, cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  let [sound, faulty] = [0, text.length + 1];
  while (faulty - sound > 1) {
    const middle = (sound + faulty) >> 1;
    if (breaksOff(text.slice(0, middle))) sound = middle;
    else faulty = middle;
  }
  const before = text.slice(0, sound).split('\n');
  return `line ${before.length}, letter ${(before.at(-1)?.length ?? 0) + 1}: ${message.replace(/ \(line .*\)$/, '').replaceAll('\n', ' ')}`;
}

function breaksOff(beginning: string): boolean {
  try {
    JSON.parse(beginning);
    return true;
  } catch (error) {
    const { message } = error as Error;
    const position = /position (\d+)/.exec(message)?.[1];
    return /end of JSON|Unterminated/.test(message) || (position !== undefined && Number(position) >= beginning.length);
  }
}

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

const shownPath = (path: Path): string =>
  path.map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index === 0 ? '' : '.'}${String(part)}`)).join('') || 'the file';

function faultsOf(schema: z.ZodMiniType, issues: readonly Issue[], content: unknown, base: Path = []): FileFault[] {
  return issues.flatMap((issue) => {
    const path = [...base, ...issue.path];
    const value = valueAt(content, path);
    if (issue.code === 'invalid_union' && issue.errors.length > 0) return faultsOf(schema, closestBranch(issue.errors), content, path);
    if (issue.code === 'unrecognized_keys') {
      const known = namesAt(schema, path, content);
      return issue.keys.map((key) => ({ path: shownPath([...path, key]), rule: `there is no such field${suggestion(key, known)}` }));
    }
    return [{ path: shownPath(path), rule: ruleOf(issue, value) }];
  });
}

/** The form that is meant: the one with the fewest unknown or missing names. */
function closestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] {
  const strangeness = (branch: readonly Issue[]): number =>
    branch.reduce((sum, issue) => sum + (issue.code === 'unrecognized_keys' ? issue.keys.length : issue.code === 'invalid_type' ? 1 : 0), 0);
  return branches.toSorted((one, other) => strangeness(one) - strangeness(other))[0] ?? [];
}

function ruleOf(issue: Issue, value: unknown): string {
  const found = value === undefined ? 'it is missing' : `it is ${shown(value)}`;
  switch (issue.code) {
    case 'invalid_type':
      return value === undefined ? `it is missing; it must be ${withArticle(issue.expected)}` : `${found}; it must be ${withArticle(issue.expected)}`;
    case 'too_small':
      return `${found}; it must ${issue.origin === 'string' || issue.origin === 'array' ? 'have' : 'be'} at least ${issue.minimum}${unitOf(issue.origin)}`;
    case 'too_big':
      return `${found}; it must ${issue.origin === 'string' || issue.origin === 'array' ? 'have' : 'be'} at most ${issue.maximum}${unitOf(issue.origin)}`;
    case 'invalid_value':
      return `${found}; it must be ${oneOf(issue.values.map(String))}${typeof value === 'string' ? suggestion(value, issue.values.map(String)) : ''}`;
    case 'invalid_union': {
      const options = (issue as { options?: readonly unknown[] }).options?.map(String) ?? [];
      return `${found}; it must be ${oneOf(options)}${typeof value === 'string' ? suggestion(value, options) : ''}`;
    }
    case 'invalid_key':
      return 'it is not a name that may stand here';
    case 'invalid_format':
      return `${found}; it must be small letters, digits, - and _, beginning with a letter or digit, 63 at most`;
    default:
      return `${found}; ${issue.message}`;
  }
}

const unitOf = (origin: string): string => (origin === 'string' ? ' letters' : origin === 'array' ? ' entries' : '');
const withArticle = (type: string): string => (type === 'int' ? 'a whole number' : `${/^[aeiou]/.test(type) ? 'an' : 'a'} ${type}`);
const oneOf = (names: readonly string[]): string => (names.length === 1 ? String(names[0]) : `one of ${names.join(', ')}`);

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

const valueAt = (content: unknown, path: Path): unknown =>
  path.reduce<unknown>((value, part) => (typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[part] : undefined), content);

export interface SchemaNode {
  properties?: Record<string, SchemaNode>;
  items?: SchemaNode;
  additionalProperties?: SchemaNode | boolean;
  propertyNames?: { enum?: string[] };
  anyOf?: SchemaNode[];
  oneOf?: SchemaNode[];
  const?: unknown;
}

/** Names that may stand at a place of the file. */
function namesAt(schema: z.ZodMiniType, path: Path, content: unknown): string[] {
  let nodes: SchemaNode[] = [schemaOf(schema)];
  let value = content;
  const spread = (node: SchemaNode): SchemaNode[] => {
    const branches = [...(node.anyOf ?? []), ...(node.oneOf ?? [])];
    if (branches.length === 0) return [node];
    const kind = (value as { kind?: unknown } | undefined)?.kind;
    const meant = branches.filter(({ properties }) => properties?.['kind']?.const === kind);
    return (meant.length > 0 ? meant : branches).flatMap(spread);
  };
  nodes = nodes.flatMap(spread);
  for (const part of path) {
    value = valueAt(value, [part]);
    nodes = nodes
      .flatMap((node) => {
        const beyond = typeof node.additionalProperties === 'object' ? node.additionalProperties : undefined;
        const next = typeof part === 'number' ? node.items : (node.properties?.[String(part)] ?? beyond);
        return next === undefined ? [] : [next];
      })
      .flatMap(spread);
  }
  return [...new Set(nodes.flatMap((node) => [...Object.keys(node.properties ?? {}), ...(node.propertyNames?.enum ?? [])]))];
}

export function suggestion(given: string, known: readonly string[]): string {
  const near = nearest(given, known);
  if (near !== undefined) return `; did you mean ${near}?`;
  return known.length > 0 && known.length <= 24 ? `; there are ${known.join(', ')}` : '';
}

/** The known name that a misspelt one most likely meant. */
export function nearest(given: string, known: readonly string[]): string | undefined {
  const distances = known.map((name) => ({ name, distance: distanceOf(given.toLowerCase(), name.toLowerCase()) }));
  const [best] = distances.toSorted((one, other) => one.distance - other.distance);
  return best !== undefined && best.distance <= Math.max(1, Math.floor(Math.max(given.length, best.name.length) / 3)) ? best.name : undefined;
}

/** Letters to put in, take out, change or swap (Damerau and Levenshtein, without overlaps). */
function distanceOf(one: string, other: string): number {
  let before: number[] = [];
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= other.length; j += 1) {
      const same = one[i - 1] === other[j - 1];
      let least = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1]) least = Math.min(least, (before[j - 2] ?? 0) + 1);
      next.push(least);
    }
    before = row;
    row = next;
  }
  return row[other.length] ?? 0;
}
