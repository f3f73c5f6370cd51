import { explainByOcclusion } from '@serin/inference/text/explain';
import { readProbabilities } from '@serin/inference/postprocess';
import { seededRandom } from '@serin/inference/random';
import { SerinError } from '@serin/protocol/errors';

import { f1, everyRow } from '../../evaluate/ranking.ts';
import { formatTable } from '../../text/format-table.ts';
import { crossValidate, type JudgedFold } from '../../text/cross-validate.ts';
import { figureLines, judgeTexts } from '../../text/judge-texts.ts';
import { markWords } from '../../text/mark-words.ts';
import { openTextModel } from '../../text/open-text-model.ts';
import { writeVersionFolder } from '../../text/version-folder.ts';
import type { TrainedText } from '../../text/training.ts';
import { readExampleFlags, showProgress, type ExampleContext } from '../command.ts';
import { loadMails, type LabelledMail } from './data.ts';
import { mailSet, mailTrainers, type MailSet, type ModelKind } from './train.ts';

export const description = 'spam, 6,046 real e-mails: five folds with near-duplicates kept together, and why a mail is spam';

const folds = 5;
const spam = 1;

export async function run(args: readonly string[], { say, signal }: ExampleContext): Promise<void> {
  const flags = readExampleFlags(args, {
    seed: { usual: 1, least: 0, most: 999_999_999 },
    threads: { usual: 2, least: 1, most: 256 },
    model: 'text',
    out: 'text',
  });
  const kind = readKind(flags.text('model'));
  const [seed, threads, out] = [flags.number('seed'), flags.number('threads'), flags.text('out')];
  const mails = await loadMails();
  const set = mailSet(mails);
  const spams = set.examples.labels.filter((label) => label === spam).length;
  say(`${mails.length} mails, ${spams} of them spam; ${new Set(set.groups).size} are left when near-duplicates count once`);

  const onProgress = showProgress(say);
  const lines: string[][] = [['fold', 'mails', 'spam', 'F1 of spam', 'seconds', 'read as']];
  const scores: number[] = [];
  const { folds: judged, probabilities } = await crossValidate({
    ...set,
    folds,
    seed,
    threads,
    signal,
    train: (part) => mailTrainers[kind]({ ...part, threads, onProgress }),
    onFold: (fold) => {
      const score = f1OfFold(fold, set);
      scores.push(score);
      lines.push([...foldLine(fold, set), score.toFixed(4), fold.trainSeconds.toFixed(1), readAs(fold.trained)]);
      say(`fold ${fold.fold + 1} of ${folds}: F1 ${score.toFixed(4)}, learnt in ${fold.trainSeconds.toFixed(1)} s`);
    },
  });
  const figures = judgeTexts({ probabilities, ...set, labels: set.examples.labels, random: seededRandom(seed) });
  const meanF1 = scores.reduce((sum, score) => sum + score, 0) / folds;
  await explainSome(judged, mails, say, threads);
  if (out !== undefined) {
    const trained = await mailTrainers[kind]({ ...set.examples, classes: set.classes, groups: set.groups, seed, threads, signal, onProgress });
    const written = await writeVersionFolder(out, {
      trained,
      labels: set.classes,
      metrics: { f1: meanF1, auc: figures.classes[spam]?.auc?.value ?? Number.NaN },
      origin: 'SpamAssassin public corpus, 6,046 real e-mails of 2002 to 2005; metrics are of five folds',
      texts: shortOnes(set),
    });
    say(`learnt from all mails and wrote ${written.join(', ')} to ${out}; weights ${trained.weightDigest.slice(0, 12)}`);
  }
  const tables = [[...lines, ['mean', '', '', meanF1.toFixed(4)]], figureLines(figures)];
  for (const line of tables.flatMap((table) => ['', ...formatTable(table)])) say(line);
  say('in brackets: where the value lies with 95 % confidence, near-duplicates drawn together');
}

function readKind(given = 'linear'): ModelKind {
  if (given === 'linear' || given === 'conv') return given;
  throw new SerinError('CONFIG_INVALID', { detail: `--model is "${given}"; it must be linear or conv` });
}

function f1OfFold({ probabilities, indices }: JudgedFold<TrainedText>, { examples, classes }: MailSet): number {
  const answers = indices.map((_, row) => readProbabilities(probabilities, classes.length, row * classes.length).label);
  const labels = indices.map((index) => examples.labels[index] ?? 0);
  return f1(answers, labels, spam)(everyRow(indices.length));
}

const foldLine = ({ fold, indices }: JudgedFold<TrainedText>, { examples }: MailSet): string[] => [
  String(fold + 1),
  String(indices.length),
  String(indices.filter((index) => examples.labels[index] === spam).length),
];

function readAs({ preprocessing: { output } }: TrainedText): string {
  return output.kind === 'tokens' ? `the first ${output.length} words` : output.words === 1 ? 'words' : `runs of up to ${output.words} words`;
}

/** Two mails of the last fold, which the model has not seen: the surest spam and the surest ham of some length. */
async function explainSome(
  judged: readonly JudgedFold<TrainedText>[],
  mails: readonly LabelledMail[],
  say: ExampleContext['say'],
  threads: number,
): Promise<void> {
  const last = judged.at(-1);
  if (last === undefined) return;
  const model = await openTextModel(last.trained.model, last.trained.preprocessing, threads);
  try {
    for (const label of [spam, 0]) {
      const rows = last.indices.map((index, row) => ({ mail: mails[index] as LabelledMail, sure: last.probabilities[2 * row + label] ?? 0 }));
      const [chosen] = rows.filter(({ mail }) => mail.label === label && isShort(mail)).toSorted((one, other) => other.sure - one.sure);
      if (chosen === undefined) continue;
      const { subject, body, file } = chosen.mail;
      const { words } = await explainByOcclusion({
        record: { subject, body },
        preprocessing: last.trained.preprocessing,
        predict: model.run,
        classes: 2,
        label: spam,
      });
      const ofField = (field: string) => words.filter((word) => word.field === field);
      say('');
      say(`${file}: spam with ${(100 * (label === spam ? chosen.sure : 1 - chosen.sure)).toFixed(1)} %; what each word adds to the log-odds of spam`);
      say(`  subject  ${markWords(subject, ofField('subject'))}`);
      say(`  body     ${markWords(body, ofField('body'))}`);
    }
  } finally {
    await model.close();
  }
}

const isShort = ({ subject, body }: Pick<LabelledMail, 'subject' | 'body'>): boolean => subject !== '' && body.length > 100 && body.length < 1000;

const shortOnes = ({ examples }: MailSet) => examples.texts.filter(isShort).filter((_, index) => index % 400 === 0);
