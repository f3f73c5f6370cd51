import { textPreparer, type TextRecord } from '@serin/inference/text/prepare';
import { readProbabilities } from '@serin/inference/postprocess';
import type { TextPreprocessing } from '@serin/protocol/bundle/preprocessing';

import { groupFolds, splitFold } from '../evaluate/folds.ts';
import { everyRow, f1 } from '../evaluate/ranking.ts';
import { loadMails } from '../examples/spam/data.ts';
import { convPreprocessing, linearPreprocessing, mailSet, mailTrainers, type MailSet, type ModelKind } from '../examples/spam/train.ts';
import { writeModel } from '../onnx/model-file.ts';
import { crossValidate, type CrossValidated } from '../text/cross-validate.ts';
import { pickExamples } from '../text/examples.ts';
import { fitLinear } from '../text/linear.ts';
import { openTextModel } from '../text/open-text-model.ts';
import { sparseRows } from '../text/sparse.ts';
import type { TrainedTextLinear } from '../text/train-text.ts';
import type { TrainedText } from '../text/training.ts';
import { runSklearn, type PeerFigures } from './text/sklearn.ts';

export const description = 'spam in five folds of real mails: F1, time to learn and to answer, linear and convolutional (with --peer scikit-learn)';

const seed = 1;
const threads = 2;
const spam = 1;
const folds = 5;

interface Report {
  readonly table: string[][];
  readonly figures: Record<string, number | string>;
}

interface Measured {
  readonly name: string;
  readonly f1: readonly number[];
  /** Of a fold, with all that was chosen. */
  readonly seconds: number;
  /** Of one training with the settings chosen; undefined where choosing is part of it. */
  readonly onceSeconds: number | undefined;
  readonly usPerText: number;
  readonly modelBytes: number | undefined;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const median = (values: readonly number[]): number => values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;

export async function run({ quick, peer: wantsPeer }: { quick: boolean; peer?: boolean }): Promise<Report> {
  const all = await loadMails();
  const set = mailSet(quick ? all.filter((_, index) => index % 6 === 0) : all);
  const preparedPerSecond = Object.entries({ linear: linearPreprocessing[0] as TextPreprocessing, conv: convPreprocessing }).map(
    ([name, preprocessing]) => [name, prepareSpeed(set, preprocessing)] as const,
  );
  const measured = [await measure('linear', set), await measure('conv', set)];
  const peers = wantsPeer === true ? await measurePeers(set) : [];
  const [linear] = measured;
  const rows = [...measured, ...(peers ?? [])].map((one) => [
    one.name,
    mean(one.f1).toFixed(4),
    one.f1.map((value) => value.toFixed(3)).join(' '),
    Number.isNaN(one.seconds) ? '' : one.seconds.toFixed(1),
    one.onceSeconds === undefined ? '' : one.onceSeconds.toFixed(2),
    one.usPerText.toFixed(0),
    one.modelBytes === undefined ? '' : String(one.modelBytes),
  ]);
  return {
    table: [
      [`${set.examples.labels.length} mails`, 'mean F1', 'F1 of each fold', 's a fold, choosing included', 's of one training', 'us a text', 'bytes'],
      ...rows,
      ...(peers === undefined ? [['scikit-learn: the Python of SERIN_PYTHON has none']] : []),
      [],
      ...preparedPerSecond.map(([name, speed]) => [`texts/s prepared for ${name}`, speed.toFixed(0)]),
      ...(peers ?? []).map((one) => [
        `linear beside ${one.name}`,
        `${(mean(linear?.f1 ?? []) - mean(one.f1)).toFixed(4)} F1`,
        `${((one.onceSeconds ?? Number.NaN) / (linear?.onceSeconds ?? Number.NaN)).toFixed(2)} times as fast to learn`,
      ]),
    ],
    figures: {
      mails: set.examples.labels.length,
      ...Object.assign({}, ...[...measured, ...(peers ?? [])].map(figuresOf)),
      ...Object.fromEntries(preparedPerSecond.map(([name, speed]) => [`${name}PreparedPerSecond`, Math.round(speed)])),
    },
  };
}

const figuresOf = ({ name, ...one }: Measured): Record<string, number | string> => ({
  [`${name}F1`]: mean(one.f1),
  [`${name}F1Folds`]: one.f1.map((value) => value.toFixed(4)).join(' '),
  ...(Number.isNaN(one.seconds) ? {} : { [`${name}Seconds`]: one.seconds }),
  ...(one.onceSeconds === undefined ? {} : { [`${name}OnceSeconds`]: one.onceSeconds }),
  [`${name}UsPerText`]: one.usPerText,
  ...(one.modelBytes === undefined ? {} : { [`${name}Bytes`]: one.modelBytes }),
});

async function measure(kind: ModelKind, set: MailSet): Promise<Measured> {
  const found = await crossValidate({ ...set, folds, seed, threads, train: (part) => mailTrainers[kind]({ ...part, threads }) });
  const last = found.folds.at(-1)?.trained as TrainedText;
  return {
    name: kind,
    f1: scoresOf(found, set),
    seconds: mean(found.folds.map(({ trainSeconds }) => trainSeconds)),
    onceSeconds: kind === 'linear' ? await timeOnce(found as CrossValidated<TrainedTextLinear>, set) : undefined,
    usPerText: await timeAnswers(last, set.examples.texts),
    modelBytes: writeModel(last.model).length,
  };
}

const scoresOf = ({ folds: judged }: CrossValidated<TrainedText>, { examples }: MailSet): number[] =>
  judged.map(({ probabilities, indices }) => {
    const answers = indices.map((_, row) => readProbabilities(probabilities, 2, row * 2).label);
    const labels = indices.map((index) => examples.labels[index] ?? 0);
    return f1(answers, labels, spam)(everyRow(indices.length));
  });

/** From texts to weights with what was chosen in each fold: what a tool does that is told its settings. */
async function timeOnce({ folds: judged }: CrossValidated<TrainedTextLinear>, { examples }: MailSet): Promise<number> {
  const seconds: number[] = [];
  for (const { indices, trained } of judged) {
    const { preprocessing, l2, scaling } = trained.chosen;
    const inside = new Set(indices);
    const part = pickExamples(
      examples,
      examples.texts.flatMap((_, index) => (inside.has(index) ? [] : [index])),
    );
    const began = performance.now();
    const preparer = textPreparer(preprocessing);
    const bits = preprocessing.output.bits;
    const rows = sparseRows(
      part.texts.map((text) => preparer.entries(preparer.words(text))),
      2 ** bits,
    );
    await fitLinear(rows, part.labels, 2, { l2, scaling, classWeights: [1, 1], iterationsMax: 200, tolerance: 1e-3 });
    seconds.push((performance.now() - began) / 1000);
  }
  return mean(seconds);
}

const answered = 300;

/** From a record to its answer, one at a time on one thread, as a device is asked. */
async function timeAnswers({ model, preprocessing }: TrainedText, texts: readonly TextRecord[]): Promise<number> {
  const opened = await openTextModel(model, preprocessing, 1);
  const step = Math.max(1, Math.floor(texts.length / answered));
  const some = texts.filter((_, index) => index % step === 0);
  for (const text of some.slice(0, 50)) await opened.predict([text]);
  const times: number[] = [];
  for (const text of some) {
    const began = performance.now();
    await opened.predict([text]);
    times.push((performance.now() - began) * 1000);
  }
  await opened.close();
  return mean(times);
}

function prepareSpeed({ examples: { texts } }: MailSet, preprocessing: TextPreprocessing): number {
  const preparer = textPreparer(preprocessing);
  const speeds = Array.from({ length: 3 }, () => {
    const began = performance.now();
    for (const text of texts) preparer.tensors([preparer.words(text)]);
    return (texts.length * 1000) / (performance.now() - began);
  });
  return median(speeds);
}

async function measurePeers({ examples, groups }: MailSet): Promise<Measured[] | undefined> {
  const dealt = groupFolds({ folds, groups, labels: examples.labels, seed });
  const parts = Array.from({ length: folds }, (_, fold) => {
    const { inside, outside } = splitFold(dealt, fold);
    const own = { labels: outside.map((index) => examples.labels[index] ?? 0), groups: outside.map((index) => groups[index] ?? 0) };
    // The same fifth that our settings are chosen by.
    const inner = splitFold(groupFolds({ folds: 5, seed, ...own }), 0);
    return { learn: inner.outside.map((at) => outside[at] ?? 0), choose: inner.inside.map((at) => outside[at] ?? 0), test: inside };
  });
  const found = await runSklearn(process.env['SERIN_PYTHON'] ?? 'python3', {
    texts: examples.texts.map(({ subject, body }) => `${subject}\n${body}`),
    labels: [...examples.labels],
    folds: parts,
  });
  return found?.map(asMeasured);
}

const asMeasured = ({ name, f1: scores, trainSeconds, usPerText }: PeerFigures): Measured => ({
  name,
  f1: scores,
  seconds: Number.NaN,
  onceSeconds: mean(trainSeconds),
  usPerText,
  modelBytes: undefined,
});
