import type { Anomaly } from '@serin/protocol/api/datasets';
import { SerinError } from '@serin/protocol/errors';
import type { TableSchema } from '@serin/protocol/table-schema';
import { readFile } from 'node:fs/promises';

import { addProblem, noProblems, refuseProblems, type Problems } from '../../data/problems.ts';
import { columnSummaries } from '../../data/quality/column-summary.ts';
import { inferSchema } from '../../data/quality/infer-schema.ts';
import { checkNamedColumns } from '../../data/quality/named-columns.ts';
import { mergeProfiles, profileRecords } from '../../data/quality/profile.ts';
import { columnsApart, parseSchema } from '../../data/quality/schema.ts';
import { splitLeakage } from '../../data/quality/split-leakage.ts';
import { summarise } from '../../data/quality/summary.ts';
import { validate as findAnomalies } from '../../data/quality/validate.ts';
import { decodeJson, encodeJson, encodePart } from '../part.ts';
import { frameOf, loadPictures } from '../pictures.ts';
import { readRecords, recordSpecOf, specOf } from '../records.ts';
import { partsOf, readDivided } from '../split-rule.ts';
import type { Stage, StageContext, StageOutcome } from '../stage.ts';

const shownMax = 40;

/** One pass over everything. What is wrong with the data stops the run here, all at once, before anything is trained. */
export const validate: Stage = {
  name: 'validate',
  modules: () => [new URL(import.meta.url)],
  settings: ({ file, schema }) => ({
    spec: file.ingest.spec ?? null,
    schema: schema?.sha256 ?? null,
    split: file.split,
    ...(file.ingest.spec?.kind === 'images' ? { frame: frameOf(file.train) } : {}),
  }),
  reads: () => ['ingest/files.json'],
  runtime: false,
  run: async (context) => (specOf(context.plan.file).kind === 'images' ? validatePictures(context) : validateRecords(context)),
  judge: async ({ file }, { facts }, read) => {
    if (facts['anomalies'] === undefined) return;
    const found = decodeJson<Anomaly[]>(await read('anomalies.json'));
    const errors = found.filter(({ kind, severity }) => severity === 'error' && !file.validate.accept.includes(kind));
    if (errors.length === 0) return;
    const kinds = [...new Set(errors.map(({ kind }) => kind))];
    const lines = errors.slice(0, shownMax).map(({ kind, file: name, rows, words }) => `  ${kind}${placeOf(name, rows)}: ${words}`);
    const more = errors.length > shownMax ? `\n  and ${errors.length - shownMax} more` : '';
    throw new SerinError('DATA_ANOMALOUS', {
      detail: `${errors.length} error${errors.length === 1 ? '' : 's'}\n${lines.join('\n')}${more}`,
      hint: `Mend the data; or, once a person has looked at it, accept: "validate": { "accept": [${kinds.map((kind) => `"${kind}"`).join(', ')}] }`,
    });
  },
};

const placeOf = (file: string | null, rows: readonly number[]): string =>
  file === null
    ? ''
    : ` (${file}${rows.length === 0 ? '' : `, row${rows.length === 1 ? '' : 's'} ${rows.slice(0, 8).join(', ')}${rows.length > 8 ? ', ...' : ''}`})`;

async function validateRecords(context: StageContext): Promise<StageOutcome> {
  const { plan, signal, locate } = context;
  const spec = recordSpecOf(plan.file);
  const problems = noProblems();
  const declared = plan.schema === undefined ? undefined : parseSchema(await readFile(locate(plan.schema.path), 'utf8'));
  const keys = [spec.id, spec.group].filter((name) => name !== undefined);
  const apart = [
    ...new Set([...keys, ...(spec.ignore ?? []), ...(declared === undefined ? [] : columnsApart(declared).filter((name) => name !== spec.label))]),
  ];
  const [training, rest] = await readDivided(
    readRecords(context, problems),
    (batch) => partsOf(batch, spec, plan.file.split).map((part) => part === 'train'),
    (batches) => profileRecords(batches, { keys, apart, signal }),
  );
  // What cannot be read and what is odd about the rest are told together; where nothing can be read there is no rest.
  if (training.rows === 0) refuseProblems(problems);
  const options = { label: spec.label, apart };
  const schema = declared ?? withKind(inferSchema(summarise(training, options), { spec }), spec.kind);
  const profile = summarise(mergeProfiles(training, rest), options);
  checkNamedColumns(spec, profile, problems);
  const anomalies = [
    ...findAnomalies(profile, schema),
    ...(rest.rows === 0 ? [] : splitLeakage({ name: 'train', state: training }, { name: 'judging', state: rest }, schema)),
  ];
  refuseTogether(problems, anomalies);
  const errors = anomalies.filter(({ severity }) => severity === 'error').length;
  for (const { severity, words } of anomalies) if (severity === 'warning') context.note(`warning: ${words}`);
  return {
    words: `${profile.rows.toLocaleString('en')} records of ${profile.columns.length} columns: ${errors} error${errors === 1 ? '' : 's'}, ${anomalies.length - errors} warning${anomalies.length - errors === 1 ? '' : 's'}`,
    outputs: {
      'schema.json': encodeJson(schema),
      'columns.json': encodeJson(columnSummaries(profile, schema)),
      'anomalies.json': encodeJson(anomalies),
    },
    facts: { rows: profile.rows, anomalies: anomalies.length, errors },
  };
}

/** Records that cannot be read end the run, accepted or not, and with them all else that a person will have to look at is told. */
function refuseTogether(problems: Problems, anomalies: readonly Anomaly[]): void {
  if (problems.total === 0) return;
  for (const { severity, file, column, rows, words } of anomalies) {
    if (severity === 'warning') continue;
    const at = rows.length === 0 ? undefined : `row${rows.length === 1 ? '' : 's'} ${rows.slice(0, 8).join(', ')}${rows.length > 8 ? ', ...' : ''}`;
    addProblem(problems, {
      kind: 'anomaly',
      file: file ?? (column === null ? 'the data' : `column ${column}`),
      ...(at === undefined ? {} : { at }),
      detail: words,
    });
  }
  refuseProblems(problems);
}

/** Of texts only those that are read count; a category is no text, but a field may well be one. */
function withKind(schema: TableSchema, kind: string): TableSchema {
  return kind === 'text' ? { ...schema, columns: schema.columns.map((column) => (column.role === 'feature' ? { ...column, missingMax: 1 } : column)) } : schema;
}

async function validatePictures(context: StageContext): Promise<StageOutcome> {
  const { part, labels, splits } = await loadPictures(context);
  return {
    words: `${part.rows.toLocaleString('en')} pictures of ${labels.length} classes: all can be read`,
    outputs: { 'pictures.bin': encodePart(part), 'pictures.json': encodeJson({ labels, splits }) },
    facts: { rows: part.rows },
  };
}
