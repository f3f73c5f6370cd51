import { imageStatisticNames } from '@serin/inference/image-statistics';
import { answerStatistic, columnStatistic, confidenceStatistic, readRecordAnswer, wordsStatistic } from '@serin/inference/records';
import { textPreparer, type TextRecord } from '@serin/inference/text/prepare';
import type { Decision } from '@serin/protocol/bundle/manifest';
import type { TablePreprocessing } from '@serin/protocol/bundle/preprocessing';
import { statisticName } from '@serin/protocol/bundle/profile';
import { statisticsPerWindowMax } from '@serin/protocol/limits';

import { pictureStatistics } from '../package/picture-statistics.ts';
import type { ProfileOptions, ReferenceAnswers } from '../package/profile.ts';
import { featuresOf } from '../trees/feature-matrix.ts';
import { answersOf, type Answers } from './answers.ts';
import type { Calibration } from './calibration.ts';
import { recordOf, type LearningFacts, type Part } from './part.ts';
import type { ModelFacts } from './stages/train.ts';

type Statistics = Record<string, ArrayLike<number>>;

export interface ReferenceRequest {
  /** The model that most devices will run. */
  readonly model: Uint8Array;
  readonly trained: ModelFacts;
  /** Records that no weight has seen, with their labels. */
  readonly part: Part;
  readonly facts: LearningFacts;
  /** Of models of records, as the manifest has it. */
  readonly decision: Decision | undefined;
  readonly calibration: Calibration | null;
  readonly signal: AbortSignal | undefined;
}

/** What devices will count, on records no weight has seen. */
export async function referenceOf(request: ReferenceRequest): Promise<Pick<ProfileOptions, 'statistics' | 'answers' | 'embeddings'>> {
  const { model, trained, part, facts, signal } = request;
  const found = await answersOf(model, trained.preprocessing ?? undefined, part, facts.frame, { signal, embeddings: true });
  const { embeddings } = found;
  const rest = embeddings === undefined ? {} : { embeddings };
  const inputs = inputStatistics(trained, part, facts);
  if (facts.task === 'regression') return { statistics: { ...inputs, [answerStatistic]: found.values }, ...rest };
  const answers = classAnswers(request, found);
  return { statistics: { ...inputs, [confidenceStatistic]: answers.confidence }, answers, ...rest };
}

/** As devices answer: where mistakes cost differently, the most probable class need not be the answer. */
function classAnswers({ part, facts, decision, calibration }: ReferenceRequest, { values, width }: Answers): ReferenceAnswers {
  const predicted = new Int32Array(part.rows);
  const confidence = new Float64Array(part.rows);
  for (let row = 0; row < part.rows; row += 1) {
    const said = readRecordAnswer({ probabilities: { data: values.subarray(row * width, (row + 1) * width) } }, decision);
    predicted[row] = said?.label ?? -1;
    confidence[row] = said?.finite === true ? said.confidence : Number.NaN;
  }
  const temperature = calibration === null ? {} : { temperature: 1 / calibration.scale };
  return { labels: facts.labels.length, predicted, confidence, truth: part.labels, ...temperature };
}

function inputStatistics({ preprocessing, importance }: ModelFacts, part: Part, facts: LearningFacts): Statistics {
  if (preprocessing === null || preprocessing === undefined) return picturesOf(part, facts);
  if (preprocessing.kind === 'table') return columnStatistics(preprocessing, importance, part);
  const names = [...new Set(preprocessing.fields.map(({ name }) => name))];
  const preparer = textPreparer(preprocessing);
  const words = (row: number): number => preparer.words(recordOf(part.table, names, row) as TextRecord).reduce((sum, list) => sum + list.length, 0);
  return { [wordsStatistic]: Float64Array.from({ length: part.rows }, (_, row) => words(row)) };
}

/** Of a table with more columns than a window may have statistics, those that matter most to the model. */
function columnStatistics({ columns }: TablePreprocessing, importance: ModelFacts['importance'], part: Part): Statistics {
  const weight = new Map(importance?.columns.map(({ name, value }) => [name, value]));
  const { rows, values } = featuresOf(part.table, columns);
  const watched = columns
    .map(({ name }, place) => ({ name, statistic: columnStatistic(name), column: values.subarray(place * rows, (place + 1) * rows) }))
    // A column without a single value in the reference has no distribution to drift from.
    .filter(({ statistic, column }) => statisticName.safeParse(statistic).success && column.some((value) => !Number.isNaN(value)))
    .toSorted((one, other) => (weight.get(other.name) ?? 0) - (weight.get(one.name) ?? 0));
  // The answer takes one place of those a window may have.
  return Object.fromEntries(watched.slice(0, statisticsPerWindowMax - 1).map(({ statistic, column }) => [statistic, column]));
}

function picturesOf({ pixels, rows }: Part, { frame }: LearningFacts): Statistics {
  if (pixels === undefined || frame === null) return Object.fromEntries(imageStatisticNames.map((name) => [name, new Float64Array(rows)]));
  const { size, channels } = frame;
  return pictureStatistics(pixels, { width: size, height: size, channels });
}
