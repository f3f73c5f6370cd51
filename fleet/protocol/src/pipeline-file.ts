import { z } from 'zod/mini';
import { SerinError } from './errors.ts';
import { metricName, pipelineFile, pipelineFileBytesMax, type MetricName, type PipelineFile, type TrainerSettings } from './pipeline.ts';

/** One thing that is wrong with a pipeline file: where, and the rule in words. */
export interface PipelineFault {
  readonly path: string;
  readonly rule: string;
}

const shownMax = 40;

/** The pipeline a text declares. Throws PIPELINE_INVALID with every field that is wrong. */
export function readPipeline(text: string): PipelineFile {
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > pipelineFileBytesMax) refuse([{ path: 'the file', rule: `has ${bytes} bytes; at most ${pipelineFileBytesMax} are read` }]);
  let content: unknown;
  try {
    content = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (cause) {
    throw new SerinError('PIPELINE_INVALID', { detail: `it is not JSON: ${placeOf(text, cause)}`, hint: 'Mend the JSON; comments are not part of it', cause });
  }
  return checkPipeline(content);
}

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

/** Likewise of content that is JSON already. */
export function checkPipeline(content: unknown): PipelineFile {
  const parsed = pipelineFile.safeParse(content);
  if (!parsed.success) refuse(faultsOf(parsed.error.issues, content));
  const file = parsed.data as PipelineFile;
  const faults = contradictions(file);
  if (faults.length > 0) refuse(faults);
  return file;
}

function refuse(faults: readonly PipelineFault[]): never {
  const lines = faults.slice(0, shownMax).map(({ path, rule }) => `  ${path}: ${rule}`);
  const more = faults.length > shownMax ? `\n  and ${faults.length - shownMax} more` : '';
  throw new SerinError('PIPELINE_INVALID', { detail: `${faults.length} field${faults.length === 1 ? '' : 's'}\n${lines.join('\n')}${more}` });
}

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

const shownPath = (path: Path): string =>
  path.map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index === 0 ? '' : '.'}${String(part)}`)).join('') || 'the file';

function faultsOf(issues: readonly Issue[], content: unknown, base: Path = []): PipelineFault[] {
  return issues.flatMap((issue) => {
    const path = [...base, ...issue.path];
    const value = valueAt(content, path);
    if (issue.code === 'invalid_union' && issue.errors.length > 0) return faultsOf(closestBranch(issue.errors), content, path);
    if (issue.code === 'unrecognized_keys') {
      const known = namesAt(path, content);
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

interface SchemaNode {
  properties?: Record<string, SchemaNode>;
  items?: SchemaNode;
  additionalProperties?: SchemaNode | boolean;
  propertyNames?: { enum?: string[] };
  anyOf?: SchemaNode[];
  oneOf?: SchemaNode[];
  const?: unknown;
}

/** The schema as editors read it. */
export const pipelineSchema = (): SchemaNode => z.toJSONSchema(pipelineFile, { io: 'input' }) as SchemaNode;
export const pipelineSchemaText = (): string => `${JSON.stringify(pipelineSchema(), undefined, 2)}\n`;

/** Names that may stand at a place of this file. */
function namesAt(path: Path, content: unknown): string[] {
  let nodes: SchemaNode[] = [pipelineSchema()];
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

function suggestion(given: string, known: readonly string[]): string {
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

// ---- what fields say together --------------------------------------------------------------------

const kindOfData = { trees: 'table', linear: 'table', 'text-linear': 'text', 'text-conv': 'text', 'image-classifier': 'images' } as const;
const regressionMetrics: readonly MetricName[] = ['rmse', 'mae', 'r2'];

/** Parameters of the trainer that a search may set. */
export const searchable = (train: TrainerSettings): string[] => Object.keys(train).filter((name) => name !== 'kind' && name !== 'members');

/** All trainers have every field of their kind after parsing, except optional ones. */
const optionalParameters: Partial<Record<TrainerSettings['kind'], readonly string[]>> = { trees: ['depthMax'] };

function contradictions(file: PipelineFile): PipelineFault[] {
  return [...dataFaults(file), ...taskFaults(file), ...gateFaults(file), ...searchFaults(file)];
}

function dataFaults({ ingest, split, train }: PipelineFile): PipelineFault[] {
  const faults: PipelineFault[] = [];
  const members = train.kind === 'ensemble' ? train.members : [train];
  const wanted = [...new Set(members.map(({ kind }) => kindOfData[kind]))];
  const kind = ingest.spec?.kind;
  if (wanted.length > 1) faults.push({ path: 'train.members', rule: `they take ${wanted.join(' and ')}; members of an ensemble take the same data` });
  else if (kind !== undefined && wanted[0] !== kind) {
    const fits = Object.entries(kindOfData).flatMap(([trainer, data]) => (data === kind ? [trainer] : []));
    faults.push({ path: 'train.kind', rule: `${train.kind} learns from ${wanted[0]}, ingest.spec.kind is ${kind}; for ${kind} there are ${fits.join(', ')}` });
  }
  if (split.validation + split.test > 0.8)
    faults.push({ path: 'split', rule: `validation and test take ${split.validation + split.test} of the data; at most 0.8 leave enough to train on` });
  if ('files' in ingest) {
    const twice = ingest.files.filter((name, index) => ingest.files.indexOf(name) !== index);
    for (const name of new Set(twice)) faults.push({ path: 'ingest.files', rule: `${name} is listed twice` });
  }
  return faults;
}

function taskFaults({ task, positive, train, evaluate, gate }: PipelineFile): PipelineFault[] {
  const faults: PipelineFault[] = [];
  const fits = (metric: MetricName): boolean => regressionMetrics.includes(metric) === (task === 'regression');
  const usable = metricName.options.filter(fits).join(', ');
  if (evaluate.metric !== undefined && !fits(evaluate.metric))
    faults.push({ path: 'evaluate.metric', rule: `${evaluate.metric} is no metric of ${task}; there are ${usable}` });
  for (const [metric, { min, max }] of Object.entries(gate.limits)) {
    if (!fits(metric as MetricName)) faults.push({ path: `gate.limits.${metric}`, rule: `it is no metric of ${task}; there are ${usable}` });
    if (min === undefined && max === undefined) faults.push({ path: `gate.limits.${metric}`, rule: 'it needs min or max' });
  }
  const asksCost = evaluate.metric === 'cost' || gate.limits.cost !== undefined;
  if (asksCost && evaluate.costs === undefined) faults.push({ path: 'evaluate.costs', rule: 'it is missing; the metric cost needs what each mistake costs' });
  if (task === 'regression') {
    if (positive !== undefined) faults.push({ path: 'positive', rule: 'regression looks for no class' });
    if (evaluate.costs !== undefined) faults.push({ path: 'evaluate.costs', rule: 'regression has no classes to confuse' });
    const members = train.kind === 'ensemble' ? train.members : [train];
    if (members.some(({ kind }) => kind !== 'trees' && kind !== 'linear'))
      faults.push({ path: 'task', rule: `${train.kind} does not do regression; trees and linear do` });
  }
  return faults;
}

function gateFaults({ gate, quantise, evaluate }: PipelineFile): PipelineFault[] {
  const faults: PipelineFault[] = [];
  if (gate.slices !== undefined) {
    if (Object.values(gate.slices).every((limit) => limit === undefined)) faults.push({ path: 'gate.slices', rule: 'it needs min, max or dropMax' });
    if (evaluate.slices.length === 0) faults.push({ path: 'gate.slices', rule: 'evaluate.slices names no column, so there are no slices that could reach it' });
  }
  if (typeof quantise === 'string') return faults;
  for (const name of ['variants', 'recover'] as const) {
    const twice = (quantise[name] as readonly string[]).filter((one, index, all) => all.indexOf(one) !== index);
    for (const one of new Set(twice)) faults.push({ path: `quantise.${name}`, rule: `${one} is listed twice` });
  }
  if (quantise.lossMax > gate.quantisationLossMax) {
    faults.push({
      path: 'quantise.lossMax',
      rule: `it is ${quantise.lossMax}, but the gate leaves out what loses more than ${gate.quantisationLossMax}; raise gate.quantisationLossMax as well`,
    });
  }
  return faults;
}

function searchFaults({ search, train }: PipelineFile): PipelineFault[] {
  if (search === undefined) return [];
  const names = [...searchable(train), ...(optionalParameters[train.kind] ?? [])];
  const faults: PipelineFault[] = [];
  if (train.kind === 'ensemble') faults.push({ path: 'search', rule: 'an ensemble has no parameters of its own; search for its members one by one' });
  else if (Object.keys(search.space).length === 0) faults.push({ path: 'search.space', rule: `it names no parameter; there are ${names.join(', ')}` });
  for (const [name, range] of Object.entries(search.space)) {
    const path = `search.space.${name}`;
    if (train.kind !== 'ensemble' && !names.includes(name)) faults.push({ path, rule: `${train.kind} has no such parameter${suggestion(name, names)}` });
    else if ('from' in range) {
      if (!(range.from < range.to)) faults.push({ path, rule: `it goes from ${range.from} to ${range.to}; the first must be smaller` });
      if (range.log && !(range.from > 0)) faults.push({ path, rule: `log needs a beginning above 0, it is ${range.from}` });
      for (const [end, value] of [['from', range.from] as const, ['to', range.to] as const]) {
        const trial = pipelineTrainer({ ...train, [name]: range.whole ? Math.round(value) : value });
        if (trial !== undefined) faults.push({ path: `${path}.${end}`, rule: trial });
      }
    } else {
      range.oneOf.forEach((value, index) => {
        const trial = pipelineTrainer({ ...train, [name]: value });
        if (trial !== undefined) faults.push({ path: `${path}.oneOf[${index}]`, rule: trial });
      });
    }
  }
  return faults;
}

/** What is wrong with settings of a trainer; undefined where nothing is. */
function pipelineTrainer(train: unknown): string | undefined {
  const parsed = pipelineFile.shape.train.safeParse(train);
  return parsed.success ? undefined : faultsOf(parsed.error.issues, train)[0]?.rule;
}
