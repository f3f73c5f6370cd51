import { SerinError } from '@serin/protocol/errors';
import type { TableSchema } from '@serin/protocol/table-schema';

import { addProblem, noProblems, refuseProblems } from '../../data/problems.ts';
import { loadTable, splitNames, type LoadedTable } from '../../data/quality/load-table.ts';
import type { RecordBatch } from '../../data/records/batch.ts';
import { nearest } from '@serin/protocol/strict-file';
import { decodeJson, decodePart, encodeJson, encodePart, pickRows, type DataFacts, type JudgingFacts, type LearningFacts, type Part } from '../part.ts';
import { frameOf } from '../pictures.ts';
import { readRecords, recordSpecOf, specOf } from '../records.ts';
import { partsOf } from '../split-rule.ts';
import type { Plan, Stage, StageContext, StageOutcome } from '../stage.ts';

/** Loads the data in three parts, none of which shares anything with another. */
export const split: Stage = {
  name: 'split',
  modules: () => [new URL(import.meta.url)],
  settings: ({ file }) => ({
    spec: file.ingest.spec ?? null,
    split: file.split,
    task: file.task,
    positive: file.positive ?? null,
    slices: file.evaluate.slices,
    ...(file.ingest.spec?.kind === 'images' ? { frame: frameOf(file.train) } : {}),
  }),
  reads: ({ file }) => (specOf(file).kind === 'images' ? ['validate/pictures.bin', 'validate/pictures.json'] : ['ingest/files.json', 'validate/schema.json']),
  runtime: false,
  run: async (context) => {
    const loaded = specOf(context.plan.file).kind === 'images' ? await loadImages(context) : await loadRecords(context);
    return finish(loaded);
  },
};

interface Loaded {
  readonly part: Part;
  readonly splits: ArrayLike<number>;
  readonly facts: Omit<DataFacts, 'rows'>;
}

function finish({ part, splits, facts }: Loaded): StageOutcome {
  const rowsOf = (place: number): Uint32Array => Uint32Array.from({ length: part.rows }, (_, row) => row).filter((row) => splits[row] === place);
  const parts = splitNames.map((name, place) => ({ name, part: pickRows(part, rowsOf(place)) }));
  const problems = noProblems();
  for (const { name, part: one } of parts) {
    if (one.rows === 0)
      addProblem(problems, {
        kind: 'empty',
        file: '.',
        detail: `the ${name} part of ${part.rows} records is empty; bring more, or make the part larger under split`,
      });
  }
  if (facts.task === 'classification') {
    const [train] = parts;
    const seen = new Set(train?.part.labels);
    facts.labels.forEach((label, place) => {
      if (!seen.has(place)) addProblem(problems, { kind: 'class-empty', file: '.', detail: `no record of the class ${label} is in the training part` });
    });
  }
  refuseProblems(problems);
  const rows = Object.fromEntries(parts.map(({ name, part: one }) => [name, one.rows])) as DataFacts['rows'];
  const outputs = Object.fromEntries(parts.map(({ name, part: one }) => [`${name}.bin`, encodePart(one)]));
  const { positive, slices, ...rest } = facts;
  const learning: LearningFacts = { ...rest, rows };
  return {
    words: `${rows.train.toLocaleString('en')} to train on, ${rows.validation.toLocaleString('en')} to choose by, ${rows.test.toLocaleString('en')} to judge by`,
    outputs: { ...outputs, 'facts.json': encodeJson(learning), 'asked.json': encodeJson({ positive, slices } satisfies JudgingFacts) },
  };
}

async function loadImages(context: StageContext): Promise<Loaded> {
  const part = decodePart(await context.read('validate/pictures.bin'));
  const { labels, splits } = decodeJson<{ labels: string[]; splits: number[] }>(await context.read('validate/pictures.json'));
  const { file } = context.plan;
  const positive = positiveOf(file.positive, labels);
  return { part, splits, facts: { kind: 'images', task: 'classification', labels, positive, features: [], slices: [], frame: frameOf(file.train) } };
}

async function loadRecords(context: StageContext): Promise<Loaded> {
  const { plan, signal } = context;
  const { file } = plan;
  const spec = recordSpecOf(file);
  const schema = decodeJson<TableSchema>(await context.read('validate/schema.json'));
  const chosen = chooseColumns(schema, plan);
  for (const note of chosen.notes) context.note(note);
  const problems = noProblems();
  const splits: number[] = [];
  const groups = new Map<string, number>();
  const groupOf: number[] = [];
  async function* watched(batches: AsyncIterable<RecordBatch>): AsyncGenerator<RecordBatch> {
    for await (const batch of batches) {
      for (const name of partsOf(batch, spec, file.split)) splits.push(splitNames.indexOf(name));
      const cells = spec.group === undefined ? undefined : batch.columns[batch.names.indexOf(spec.group)];
      if (cells !== undefined) for (const cell of cells) groupOf.push(numberOf(groups, String(cell ?? '')));
      yield batch;
    }
  }
  const loaded = await loadTable(watched(readRecords(context, problems)), chosen.schema, { problems, signal });
  // From here on no record was left out, so what was watched and what was loaded are the same rows.
  refuseProblems(problems);
  for (const note of loaded.notes) context.note(note);
  const { labels, values } = labelsOf(loaded, plan);
  const part: Part = {
    rows: loaded.table.rows,
    labels: values,
    groups: groupOf.length === 0 ? undefined : Int32Array.from(groupOf),
    table: loaded.table,
    pixels: undefined,
  };
  return {
    part,
    splits,
    facts: {
      kind: spec.kind,
      task: file.task,
      labels,
      positive: file.task === 'regression' ? null : positiveOf(file.positive, labels),
      features: chosen.features,
      slices: [...file.evaluate.slices],
      frame: null,
    },
  };
}

function numberOf(groups: Map<string, number>, name: string): number {
  const known = groups.get(name) ?? groups.size;
  groups.set(name, known);
  return known;
}

interface Chosen {
  readonly schema: TableSchema;
  readonly features: string[];
  readonly notes: string[];
}

/** Features the trainer can read, and columns to slice by, which need not be features. */
function chooseColumns(schema: TableSchema, { file }: Plan): Chosen {
  const spec = recordSpecOf(file);
  const { slices } = file.evaluate;
  const names = schema.columns.map(({ name }) => name);
  const unknown = [...slices, ...(spec.text ?? [])].filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    const told = unknown.map((name) => {
      const near = nearest(name, names);
      return `there is no column ${name}${near === undefined ? '' : `; did you mean ${near}?`}`;
    });
    throw new SerinError('PIPELINE_INVALID', { detail: told.join('\n'), hint: `The columns are ${names.slice(0, 40).join(', ')}` });
  }
  const isText = spec.kind === 'text';
  const texts = spec.text ?? schema.columns.filter(({ role, type }) => role === 'feature' && type === 'text').map(({ name }) => name);
  const left = schema.columns.filter(({ role, type }) => role === 'feature' && !isText && (type === 'text' || type === 'time'));
  const features = isText
    ? [...texts]
    : schema.columns.filter(({ role, type }) => role === 'feature' && type !== 'text' && type !== 'time').map(({ name }) => name);
  if (features.length === 0) {
    throw new SerinError('TRAINING_DATA_INVALID', {
      detail: isText ? 'no column holds texts' : `none of ${names.join(', ')} is a column of numbers or categories to learn from`,
      hint: isText ? 'Name the fields to read: "spec": { "text": ["..."] }' : 'Check the delimiter and the header of the files, and ingest.spec.ignore',
    });
  }
  return {
    features,
    notes:
      left.length === 0
        ? []
        : [
            `${left.map(({ name, type }) => `${name} (${type})`).join(', ')} ${left.length === 1 ? 'is' : 'are'} not learnt from: a table model takes numbers and categories`,
          ],
    schema: {
      ...schema,
      columns: schema.columns.flatMap((column) => {
        if (column.role === 'label') return [asLabel(column, file)];
        if (isText && features.includes(column.name)) return [{ ...column, type: 'text' as const, role: 'feature' as const }];
        if (features.includes(column.name)) return [column];
        if (!slices.includes(column.name)) return [];
        return [{ ...column, role: 'feature' as const, type: column.type === 'time' || column.type === 'text' ? ('category' as const) : column.type }];
      }),
    },
  };
}

/** Classes may well be written as numbers, and a number to predict may look like classes. */
function asLabel(column: TableSchema['columns'][number], { task }: Plan['file']): TableSchema['columns'][number] {
  if (task === 'regression') {
    const { levels: _, closed: __, ...rest } = column;
    return { ...rest, type: 'number' };
  }
  return column.type === 'integer' || column.type === 'number' || column.type === 'text' ? { ...column, type: 'category' } : column;
}

const classesMax = 1000;

function labelsOf({ labels }: LoadedTable, { file }: Plan): { labels: string[]; values: Float64Array } {
  if (labels === undefined) throw new SerinError('TRAINING_DATA_INVALID', { detail: 'the schema names no label' });
  if (labels.kind === 'number') return { labels: [], values: labels.values };
  const count = labels.levels.length;
  if (count < 2 || count > classesMax) {
    const detail =
      count < 2
        ? `the label has ${count === 1 ? `one value, ${labels.levels[0]}` : 'no values'}`
        : `the label has ${count} values; at most ${classesMax} are classes`;
    throw new SerinError('TRAINING_DATA_INVALID', {
      detail,
      hint: file.task === 'classification' && count > 2 ? 'Say "task": "regression" for a number' : 'Check ingest.spec.label',
    });
  }
  // Sorted, so that the order of the records does not decide the order of the classes.
  const sorted = [...labels.levels].toSorted();
  const places = labels.levels.map((level) => sorted.indexOf(level));
  return { labels: sorted, values: Float64Array.from(labels.codes, (code) => places[code] ?? Number.NaN) };
}

const usualPositives = ['yes', 'true', '1', 'y', 'positive', 'spam', 'fraud'];

function positiveOf(named: string | undefined, labels: readonly string[]): number | null {
  if (named !== undefined && !labels.includes(named)) {
    throw new SerinError('PIPELINE_INVALID', { detail: `positive: there is no class ${named}; there are ${labels.slice(0, 20).join(', ')}` });
  }
  if (labels.length !== 2) return null;
  if (named !== undefined) return labels.indexOf(named);
  const usual = labels.findIndex((label) => usualPositives.includes(label.toLowerCase()));
  return usual === -1 ? 1 : usual;
}
