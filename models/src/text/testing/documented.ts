import { explainByOcclusion, explainLinear } from '@serin/inference/text/explain';
import { seededRandom } from '@serin/inference/random';
import type { TextRecord } from '@serin/inference/text/prepare';
import type { TextPreprocessing } from '@serin/protocol/bundle/preprocessing';

import { crossValidate } from '../cross-validate.ts';
import { groupTexts } from '../examples.ts';
import { formatTable } from '../format-table.ts';
import { figureLines, judgeTexts } from '../judge-texts.ts';
import { markWords } from '../mark-words.ts';
import { openTextModel } from '../open-text-model.ts';
import { trainTextConv, trainTextLinear } from '../train-text.ts';
import { writeVersionFolder } from '../version-folder.ts';

/** What docs/text.md shows. */
export async function documented(texts: readonly TextRecord[], labels: ArrayLike<number>, folder: string, say: (line: string) => void, signal?: AbortSignal) {
  const preprocessing: TextPreprocessing = {
    v: 1,
    kind: 'text',
    fields: [{ name: 'subject', prefix: 'subject' }, { name: 'body' }],
    unitsMax: 20_000,
    wordsMax: 5000,
    output: { kind: 'buckets', bits: 16, words: 2, weighting: 'log' },
  };

  const classes = ['ham', 'spam'];
  const trained = await trainTextLinear({
    texts, // [{ subject: 'Lunch?', body: 'Noon at the usual place' }, ...]
    labels, // [0, ...]
    classes,
    preprocessing,
    seed: 1,
    onProgress: ({ candidate, candidates, loss }) => say(`${candidate} of ${candidates}: loss ${loss.toFixed(4)}`),
    signal,
  });

  const numbered: TextPreprocessing = { ...preprocessing, fields: [{ name: 'subject' }, { name: 'body' }], output: { kind: 'tokens', bits: 13, length: 64 } };
  const network = await trainTextConv({ texts, labels, classes, preprocessing: numbered, options: { epochs: 8 }, threads: 2, seed: 1, signal });

  const groups = groupTexts(texts, preprocessing);
  const { probabilities } = await crossValidate({
    examples: { texts, labels },
    classes,
    groups,
    folds: 5,
    seed: 1,
    train: (part) => trainTextLinear({ ...part, preprocessing }),
  });
  const figures = judgeTexts({ probabilities, labels, classes, groups, random: seededRandom(1) });
  for (const line of formatTable(figureLines(figures))) say(line);

  const record = { subject: 'You have won', body: 'Claim your prize now' };
  const model = await openTextModel(network.model, network.preprocessing);
  const explanation = await explainByOcclusion({ record, preprocessing: network.preprocessing, predict: model.run, classes: 2, label: 1 });
  const bodyWords = explanation.words.filter(({ field }) => field === 'body');
  say(markWords(record.body, bodyWords)); // Claim your [prize +1.42] now
  await model.close();

  const exact = explainLinear(record, trained.preprocessing, trained.weights, 1);

  await writeVersionFolder(folder, { trained, labels: classes, metrics: { accuracy: figures.accuracy?.value ?? 0 }, origin: 'mails of the office', texts });
  return { trained, network, figures, explanation, exact };
}
