import { readRecordAnswer, textInputs, textRecord, type DataRecord, type PreparedRecord, type RecordAnswer } from '@serin/inference/records';
import { explainByOcclusion } from '@serin/inference/text/explain';
import { decodeTrees } from '@serin/inference/trees/encode';
import type { TreeEnsemble } from '@serin/inference/trees/ensemble';
import { createExplainer } from '@serin/inference/trees/explain';
import { rowMajor } from '@serin/inference/trees/predict';
import { reasonsFor } from '@serin/inference/trees/reasons';
import type { Preprocessing, TablePreprocessing, TextPreprocessing } from '@serin/protocol/bundle/preprocessing';
import { SerinError } from '@serin/protocol/errors';
import type { EngineSession, RecordReason } from './ports.ts';

/** What made an answer: at most so many reasons, those that say most first. Above 0 a reason speaks for the answer. */
export type ReasonFinder = (record: DataRecord, prepared: PreparedRecord, answer: RecordAnswer, count: number) => Promise<RecordReason[]>;

export interface ReasonModel {
  preprocessing: Preprocessing;
  explainer: Uint8Array | undefined;
  session: EngineSession;
  labels: number;
}

/** Columns of a table need the bundle's trees; words of a text only the model itself. */
export function reasonFinder({ preprocessing, explainer, session, labels }: ReasonModel): ReasonFinder {
  if (preprocessing.kind === 'text') return wordReasons(preprocessing, session, labels);
  return explainer === undefined ? async () => [] : columnReasons(preprocessing, explainer);
}

/** The trees of a bundle, which must ask for its columns and nothing else. */
export function requireTreesOf({ columns }: Pick<TablePreprocessing, 'columns'>, bytes: Uint8Array): TreeEnsemble {
  const trees = decodeTrees(bytes);
  if (trees.levels.length !== columns.length)
    throw new SerinError('BUNDLE_MANIFEST_INVALID', { detail: `its trees ask for ${trees.levels.length} features, records have ${columns.length}` });
  return trees;
}

const givenUnitsMax = 256;

function columnReasons({ columns }: TablePreprocessing, bytes: Uint8Array): ReasonFinder {
  const trees = requireTreesOf({ columns }, bytes);
  const explainer = createExplainer(trees);
  return async (record, { inputs }, { label, value }, count) => {
    const { data } = inputs.features ?? {};
    if (!(data instanceof Float32Array)) return [];
    // Of two classes there is one margin, that of the second.
    const isSingle = trees.base.length === 1;
    const sign = isSingle && value === undefined && label === 0 ? -1 : 1;
    const output = isSingle ? 0 : label;
    const { reasons } = reasonsFor(explainer, rowMajor(data, columns.length), 0, { columns, count, output });
    return reasons.map(({ name, value: given, contribution }) => ({
      name,
      // Single precision would show digits that nobody sent.
      given: given === null ? undefined : String(record[name]).trim().slice(0, givenUnitsMax),
      contribution: sign * contribution,
    }));
  };
}

/** Texts a model is asked about at most for one explanation. */
const variantsMax = 128;

function wordReasons(preprocessing: TextPreprocessing, session: EngineSession, classes: number): ReasonFinder {
  return async (record, _prepared, { label }, count) => {
    const text = textRecord(record, preprocessing);
    const { words } = await explainByOcclusion({
      record: text,
      preprocessing,
      classes,
      label,
      variantsMax,
      predict: async (tensors) => readRecordAnswer(await session.run(textInputs(tensors)))?.probabilities ?? [],
    });
    const strongest = words.toSorted((one, other) => Math.abs(other.share) - Math.abs(one.share)).slice(0, count);
    return strongest.flatMap(({ field, start, end, share }) =>
      share === 0 ? [] : [{ name: field, given: String(text[field] ?? '').slice(start, end), contribution: share }],
    );
  };
}
