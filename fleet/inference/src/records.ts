import type { Decision } from '@serin/protocol/bundle/manifest';
import type { Preprocessing, TextPreprocessing } from '@serin/protocol/bundle/preprocessing';
import { SerinError } from '@serin/protocol/errors';

import { readProbabilities, type Classification } from './postprocess.ts';
import { prepareRow, type DataRecord } from './table/rows.ts';
import { textPreparer, type TextRecord, type TextTensors } from './text/prepare.ts';

export type { DataRecord } from './table/rows.ts';

/** An input of a model, as every engine takes it. */
export interface RecordTensor {
  readonly dtype: 'float32' | 'int64';
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

/** A record on its way through a model: the tensors it became, and what drift is watched by. */
export interface PreparedRecord {
  readonly inputs: Readonly<Record<string, RecordTensor>>;
  readonly statistics: readonly (readonly [name: string, value: number])[];
}

/** Of a classifier: a label, -1 where the output is not finite. Of a regression: a value. */
export interface RecordAnswer {
  readonly label: number;
  /** Of the label; 1 for a value, which has none. */
  readonly confidence: number;
  readonly probabilities: readonly number[];
  readonly value: number | undefined;
  readonly finite: boolean;
}

export type RecordPreparer = (record: DataRecord) => PreparedRecord;

export const columnStatistic = (column: string): string => `column/${column}`;
/** Of a text: its words, whatever they are. */
export const wordsStatistic = 'words';
/** Of a classifier and of a detector, whatever they look at. */
export const confidenceStatistic = 'confidence';
/** Of a regression. */
export const answerStatistic = 'answer';

export const isRecordStatistic = (name: string): boolean => name === wordsStatistic || name === answerStatistic || name.startsWith(columnStatistic(''));

/** Makes records into tensors as the bundle declares. Serves one caller at a time: it keeps its buffers. */
export function recordPreparer(preprocessing: Preprocessing): RecordPreparer {
  if (preprocessing.kind === 'table') {
    const names = preprocessing.columns.map(({ name }) => columnStatistic(name));
    return (record) => {
      const data = prepareRow(preprocessing, record);
      return {
        inputs: { features: { dtype: 'float32', shape: [1, data.length], data } },
        statistics: names.map((name, index) => [name, data[index] ?? Number.NaN] as const),
      };
    };
  }
  const preparer = textPreparer(preprocessing);
  return (record) => {
    const words = preparer.words(textRecord(record, preprocessing));
    const inputs = textInputs(preparer.tensors([words]));
    return { inputs, statistics: [[wordsStatistic, words.reduce((sum, list) => sum + list.length, 0)]] };
  };
}

export const textInputs = (tensors: TextTensors): Record<string, RecordTensor> =>
  Object.fromEntries(Object.entries(tensors).map(([name, { type, dims, data }]) => [name, { dtype: type, shape: dims, data }]));

/** The fields that are read, and nothing but texts and what has a plain text. */
export function textRecord(record: DataRecord, { fields }: Pick<TextPreprocessing, 'fields'>): TextRecord {
  const names = [...new Set(fields.map(({ name }) => name))];
  const given = names.filter((name) => Object.hasOwn(record, name) && record[name] !== null && record[name] !== undefined);
  if (given.length === 0) throw new SerinError('BAD_REQUEST', { detail: `the record has none of ${names.join(', ')}` });
  const odd = given.find((name) => !['string', 'number', 'boolean'].includes(typeof record[name]));
  if (odd !== undefined) throw new SerinError('BAD_REQUEST', { detail: `${odd} is of type ${typeof record[odd]}, a text is read` });
  return Object.fromEntries(given.map((name) => [name, record[name]])) as TextRecord;
}

/** Where mistakes cost differently, the most probable class need not be the answer. */
function decide(said: Classification, probabilities: readonly number[], decision: Decision | undefined): Classification {
  if (decision === undefined || !said.finite || probabilities.length !== 2) return said;
  const label = (probabilities[decision.label] ?? 0) >= decision.threshold ? decision.label : 1 - decision.label;
  return { ...said, label, confidence: probabilities[label] ?? 0 };
}

/** What a model of records said about one of them. */
export function readRecordAnswer(
  outputs: Readonly<Record<string, { readonly data: ArrayLike<number | bigint> } | undefined>>,
  decision?: Decision,
): RecordAnswer | undefined {
  const numbers = (name: string): number[] | undefined => {
    const data = outputs[name]?.data;
    return data === undefined ? undefined : Array.from(data, Number);
  };
  const probabilities = numbers('probabilities');
  if (probabilities !== undefined) return { ...decide(readProbabilities(probabilities), probabilities, decision), probabilities, value: undefined };
  const value = numbers('value')?.[0];
  if (value === undefined) return undefined;
  const finite = Number.isFinite(value);
  return { label: -1, confidence: finite ? 1 : 0, probabilities: [], value, finite };
}
