import { metricName, pipelineFile, pipelineFileBytesMax, type MetricName, type PipelineFile, type TrainerSettings } from './pipeline.ts';
import { checkContent, faultsIn, readJson, refuseFaults, schemaOf, schemaText, suggestion, type FileFault } from './strict-file.ts';

/** The pipeline a text declares. Throws PIPELINE_INVALID with every field that is wrong. */
export const readPipeline = (text: string): PipelineFile => checkPipeline(readJson(text, 'PIPELINE_INVALID', pipelineFileBytesMax));

/** Likewise of content that is JSON already. */
export function checkPipeline(content: unknown): PipelineFile {
  const file = checkContent(pipelineFile, content, 'PIPELINE_INVALID') as PipelineFile;
  const faults = contradictions(file);
  if (faults.length > 0) refuseFaults('PIPELINE_INVALID', faults);
  return file;
}

export const pipelineSchema = () => schemaOf(pipelineFile);
export const pipelineSchemaText = (): string => schemaText(pipelineFile);

// ---- what fields say together --------------------------------------------------------------------

const kindOfData = { trees: 'table', linear: 'table', 'text-linear': 'text', 'text-conv': 'text', 'image-classifier': 'images' } as const;
const regressionMetrics: readonly MetricName[] = ['rmse', 'mae', 'r2'];

/** Parameters of the trainer that a search may set. */
export const searchable = (train: TrainerSettings): string[] => Object.keys(train).filter((name) => name !== 'kind' && name !== 'members');

/** All trainers have every field of their kind after parsing, except optional ones. */
const optionalParameters: Partial<Record<TrainerSettings['kind'], readonly string[]>> = { trees: ['depthMax'] };

function contradictions(file: PipelineFile): FileFault[] {
  return [...dataFaults(file), ...taskFaults(file), ...gateFaults(file), ...searchFaults(file)];
}

function dataFaults({ ingest, split, train }: PipelineFile): FileFault[] {
  const faults: FileFault[] = [];
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

function taskFaults({ task, positive, train, evaluate, gate }: PipelineFile): FileFault[] {
  const faults: FileFault[] = [];
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
  if (evaluate.costUnit !== undefined && evaluate.costs === undefined)
    faults.push({ path: 'evaluate.costUnit', rule: 'evaluate.costs names no cost that would be counted in it' });
  if (task === 'regression') {
    if (positive !== undefined) faults.push({ path: 'positive', rule: 'regression looks for no class' });
    if (evaluate.costs !== undefined) faults.push({ path: 'evaluate.costs', rule: 'regression has no classes to confuse' });
    const members = train.kind === 'ensemble' ? train.members : [train];
    if (members.some(({ kind }) => kind !== 'trees' && kind !== 'linear'))
      faults.push({ path: 'task', rule: `${train.kind} does not do regression; trees and linear do` });
  }
  return faults;
}

function gateFaults({ gate, quantise, evaluate }: PipelineFile): FileFault[] {
  const faults: FileFault[] = [];
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

function searchFaults({ search, train }: PipelineFile): FileFault[] {
  if (search === undefined) return [];
  const names = [...searchable(train), ...(optionalParameters[train.kind] ?? [])];
  const faults: FileFault[] = [];
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
  return faultsIn(pipelineFile.shape.train, train)[0]?.rule;
}
