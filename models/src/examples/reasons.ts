import { readRecordAnswer, recordPreparer, type DataRecord } from '@serin/inference/records';
import { decodeTrees } from '@serin/inference/trees/encode';
import { createExplainer } from '@serin/inference/trees/explain';
import { rowMajor } from '@serin/inference/trees/predict';
import { reasonsFor } from '@serin/inference/trees/reasons';
import { preprocessing } from '@serin/protocol/bundle/preprocessing';

import { noProblems } from '../data/problems.ts';
import { readCsv } from '../data/records/csv.ts';
import { openSession, runtimeTensor } from '../onnx/session.ts';
import type { TrainedVersion } from '../package/version.ts';

const recordsMax = 4000;
const shown = 3;

async function* recordsOf(file: string): AsyncGenerator<DataRecord> {
  let left = recordsMax;
  for await (const { names, columns, rows } of readCsv(file, { problems: noProblems() })) {
    for (let row = 0; row < rows && left > 0; row += 1, left -= 1)
      yield Object.fromEntries(names.map((name, column) => [name, columns[column]?.[row] ?? null]));
    if (left === 0) return;
  }
}

/** The records that are surest of the class looked for, each with what made it so: as a device would answer them. */
export async function reasonLines(version: TrainedVersion, file: string, positive: string): Promise<string[]> {
  const part = (role: string): Uint8Array | undefined => version.files.find((each) => each.role === role)?.bytes;
  const [model, declared, trees] = [part('model'), part('preprocessing'), part('explainer')];
  if (model === undefined || declared === undefined || trees === undefined) return [];
  const how = preprocessing.parse(JSON.parse(new TextDecoder().decode(declared)));
  if (how.kind !== 'table') return [];
  const explainer = createExplainer(decodeTrees(trees));
  const prepare = recordPreparer(how);
  const session = await openSession(model);
  const label = version.labels.indexOf(positive);
  const answered: { share: number; record: DataRecord; row: Float32Array }[] = [];
  try {
    for await (const record of recordsOf(file)) {
      const features = prepare(record).inputs.features?.data;
      if (!(features instanceof Float32Array)) return [];
      const answer = readRecordAnswer((await session.run({ features: runtimeTensor('float32', features, [1, features.length]) })) as never);
      answered.push({ share: answer?.probabilities[label] ?? 0, record, row: features });
    }
  } finally {
    void session.release();
  }
  const surest = answered.toSorted((one, other) => other.share - one.share).slice(0, shown);
  return [
    '',
    `  the surest of the first ${answered.length} records, and why (SHAP, in log-odds of ${positive})`,
    ...surest.flatMap(({ share, row }) => {
      const { reasons, rest } = reasonsFor(explainer, rowMajor(row, how.columns.length), 0, { columns: how.columns, count: 4 });
      const said = reasons.map(({ name, value, contribution }) => `${name} ${value ?? 'not known'} ${signed(contribution)}`);
      return [`  ${(100 * share).toFixed(1).padStart(5)} %  ${said.join(', ')}; all else ${signed(rest)}`];
    }),
  ];
}

const signed = (value: number): string => `${value < 0 ? '' : '+'}${value.toFixed(2)}`;
