import { expect, test } from 'vitest';

import { SerinError } from './errors.ts';
import { checkPipeline, pipelineSchema, pipelineSchemaText, readPipeline } from './pipeline-file.ts';
import { pipelineTemplates, pipelineTemplateText, type PipelineTemplateName } from './pipeline-templates.ts';
import { nearest } from './strict-file.ts';

const names = Object.keys(pipelineTemplates) as PipelineTemplateName[];

test.each(names)('the template %s parses as it is written', (name) => {
  const file = readPipeline(pipelineTemplateText(name, './pipeline.schema.json'));
  expect(file.v).toBe(1);
  expect(file.description.length).toBeGreaterThan(20);
});

test('the schema for editors is JSON and knows every field', () => {
  expect(Object.keys((JSON.parse(pipelineSchemaText()) as { properties: object }).properties)).toEqual(Object.keys(pipelineSchema().properties ?? {}));
  expect(Object.keys(pipelineSchema().properties ?? {})).toContain('evaluate');
});

function faultOf(content: unknown): string {
  try {
    if (typeof content === 'string') readPipeline(content);
    else checkPipeline(content);
  } catch (error) {
    expect(error).toBeInstanceOf(SerinError);
    expect((error as SerinError).code).toBe('PIPELINE_INVALID');
    return (error as SerinError).detail ?? '';
  }
  throw new Error('it was accepted');
}

const table = pipelineTemplates.table.file;

test('every field that is wrong is named at once, with its rule and the name that was meant', () => {
  const detail = faultOf({
    ...table,
    nme: 'x',
    ingest: { files: [], spec: { kind: 'tabel', labl: 'x' } },
    split: { validation: 3 },
    train: { kind: 'trees', learningrate: 0.1, leaves: 1 },
    search: { space: { leaves: { frm: 1, to: 3 } } },
    evaluate: { metric: 'auk', slices: 3 },
    gate: { limits: { acuracy: { min: 1 } } },
  });
  for (const line of [
    'nme: there is no such field; did you mean name?',
    'ingest.files: it is []; it must have at least 1 entries',
    'ingest.spec.kind: it is "tabel"; it must be one of table, text, images; did you mean table?',
    'ingest.spec.labl: there is no such field; did you mean label?',
    'split.validation: it is 3; it must be at most 0.5',
    'train.learningrate: there is no such field; did you mean learningRate?',
    'train.leaves: it is 1; it must be at least 2',
    'search.space.leaves.frm: there is no such field; did you mean from?',
    'search.space.leaves.from: it is missing; it must be a number',
    'evaluate.metric: it is "auk"; it must be one of',
    'did you mean auc?',
    'evaluate.slices: it is 3; it must be an array',
    'gate.limits.acuracy: there is no such field; did you mean accuracy?',
  ]) {
    expect(detail).toContain(line);
  }
});

test('a trainer nobody knows is told with those there are', () => {
  expect(faultOf({ ...table, train: { kind: 'tree' } })).toContain('train.kind: it is "tree"; it must be one of trees, linear');
});

test('what is missing is said to be missing', () => {
  expect(faultOf({})).toContain('ingest');
  expect(faultOf({ v: 1 })).toContain('name: it is missing; it must be a string');
});

test.each([
  [{ ...table, train: { kind: 'text-linear' } }, 'train.kind: text-linear learns from text, ingest.spec.kind is table'],
  [{ ...table, evaluate: { metric: 'rmse' } }, 'evaluate.metric: rmse is no metric of classification'],
  [{ ...table, evaluate: { metric: 'cost' } }, 'evaluate.costs: it is missing'],
  [{ ...table, evaluate: { costUnit: 'EUR' } }, 'evaluate.costUnit: evaluate.costs names no cost'],
  [{ ...table, task: 'regression', positive: 'yes', gate: {} }, 'positive: regression looks for no class'],
  [{ ...table, gate: { limits: { auc: {} } } }, 'gate.limits.auc: it needs min or max'],
  [{ ...table, split: { validation: 0.45, test: 0.45 } }, 'split: validation and test take 0.9'],
  [{ ...table, search: { space: { leafs: { from: 2, to: 4 } } } }, 'search.space.leafs: trees has no such parameter; did you mean leaves?'],
  [{ ...table, search: { space: { leaves: { from: 1, to: 4 } } } }, 'search.space.leaves.from: it is 1; it must be at least 2'],
  [{ ...table, search: { space: { l2: { from: 0, to: 4, log: true } } } }, 'search.space.l2: log needs a beginning above 0'],
  [{ ...table, search: { space: { trees: { oneOf: [10, 'many'] } } } }, 'search.space.trees.oneOf[1]: it is "many"'],
  [{ ...table, ingest: { files: ['a.csv', 'a.csv'], spec: { kind: 'table' } } }, 'a.csv is listed twice'],
  [{ ...table, train: { kind: 'ensemble', members: [{ kind: 'trees' }, { kind: 'text-linear' }] } }, 'members of an ensemble take the same data'],
])('fields that contradict each other are told (%#)', (content, words) => {
  expect(faultOf(content)).toContain(words);
});

test('broken JSON is told by line', () => {
  expect(faultOf('{\n  "v": 1,\n  "name": oops\n}')).toContain('line 3');
  expect(faultOf('x'.repeat(300_000))).toContain('at most 262144 are read');
});

test('the nearest name is near', () => {
  expect(nearest('learnigRate', ['leaves', 'learningRate'])).toBe('learningRate');
  expect(nearest('zebra', ['leaves', 'learningRate'])).toBeUndefined();
});

test('a gate that nothing could pass, or that leaves out what was asked for, is a contradiction', () => {
  expect(faultOf({ ...table, gate: { slices: {} }, evaluate: { slices: ['a'] } })).toContain('gate.slices: it needs min, max or dropMax');
  expect(faultOf({ ...table, gate: { slices: { dropMax: 0.1 } } })).toContain('evaluate.slices names no column');
  const faults = faultOf({ ...table, quantise: { lossMax: 0.01, variants: ['u8s8', 'w8', 'u8s8'], recover: ['bias', 'bias'] } });
  expect(faults).toContain('quantise.lossMax: it is 0.01, but the gate leaves out what loses more than 0.003');
  expect(faults).toContain('quantise.variants: u8s8 is listed twice');
  expect(faults).toContain('quantise.recover: bias is listed twice');
  const slices = { evaluate: { slices: ['a'] }, gate: { slices: { dropMax: 0.1 }, quantisationLossMax: 0.01, robustness: { blur: { dropMax: 0.1 } } } };
  expect(checkPipeline({ ...table, ...slices, quantise: { lossMax: 0.01 } }).gate).toMatchObject({ calibrationErrorMax: 0.1, inferiorityMax: 0.02 });
});
