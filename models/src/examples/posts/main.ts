import { explainByOcclusion, explainLinear, type WordShare } from '@serin/inference/text/explain';
import type { TextRecord } from '@serin/inference/text/prepare';
import { seededRandom } from '@serin/inference/random';

import { groupFolds, splitFold } from '../../evaluate/folds.ts';
import { formatTable } from '../../text/format-table.ts';
import { pickExamples } from '../../text/examples.ts';
import { figureLines, judgeTexts } from '../../text/judge-texts.ts';
import { markWords } from '../../text/mark-words.ts';
import { openTextModel } from '../../text/open-text-model.ts';
import type { TrainedTextLinear } from '../../text/train-text.ts';
import type { TrainedText } from '../../text/training.ts';
import { writeVersionFolder } from '../../text/version-folder.ts';
import { readExampleFlags, showProgress, type ExampleContext } from '../command.ts';
import { drawPosts, postClasses } from './data.ts';
import { readPosts } from './read-posts.ts';
import { postSet, postTrainers, type PostModel } from './train.ts';

export const description = 'posts that tell of an emergency; synthetic data, or a CSV file of yours: a linear and a convolutional model, explained';

const emergency = 1;
const explained = 4;

export async function run(args: readonly string[], { say, signal }: ExampleContext): Promise<void> {
  const flags = readExampleFlags(args, {
    seed: { usual: 1, least: 0, most: 999_999_999 },
    posts: { usual: 4000, least: 200, most: 1_000_000 },
    threads: { usual: 2, least: 1, most: 256 },
    csv: 'text',
    out: 'text',
  });
  const [seed, threads, csv, out] = [flags.number('seed'), flags.number('threads'), flags.text('csv'), flags.text('out')];
  const posts = csv === undefined ? drawPosts(flags.number('posts'), seed) : await readPosts(csv);
  const origin = csv === undefined ? `${posts.length} synthetic posts drawn from seed ${seed}` : `${posts.length} posts of ${csv}`;
  const set = postSet(posts);
  say(`${origin}; ${new Set(set.groups).size} are left when those that were passed on count once`);

  const { inside, outside } = splitFold(groupFolds({ folds: 5, groups: set.groups, labels: set.examples.labels, seed }), 0);
  const [test, rest] = [pickExamples(set.examples, inside), pickExamples(set.examples, outside)];
  const part = { ...rest, classes: postClasses, groups: outside.map((index) => set.groups[index] ?? 0), seed, threads, signal, onProgress: showProgress(say) };
  const lines: string[][] = [];
  const trained = { linear: await postTrainers.linear(part), conv: await postTrainers.conv(part) };
  const metrics: Record<string, number> = {};
  for (const [kind, model] of Object.entries(trained) as [PostModel, TrainedText][]) {
    const probabilities = await answersOf(model, test.texts, threads);
    const groups = inside.map((index) => set.groups[index] ?? 0);
    const figures = judgeTexts({ probabilities, labels: test.labels, classes: postClasses, groups, random: seededRandom(seed) });
    metrics[`${kind}_f1`] = figures.classes[emergency]?.f1?.value ?? Number.NaN;
    const [head = [], ...others] = figureLines(figures);
    if (lines.length === 0) lines.push(['model', ...head]);
    lines.push(...others.map((line) => [kind, ...line]));
  }
  await explainSome(trained.linear, trained.conv, test.texts, { say, threads });
  if (out !== undefined) {
    const written = await writeVersionFolder(out, { trained: trained.linear, labels: postClasses, metrics, origin, texts: test.texts });
    say(`wrote ${written.join(', ')} of the linear model to ${out}; weights ${trained.linear.weightDigest.slice(0, 12)}`);
  }
  for (const line of ['', ...formatTable(lines)]) say(line);
  say(
    `judged on ${test.texts.length} posts that were not learnt from, ${csv === undefined ? 'synthetic as all of them' : `of ${csv}`}; with 95 % confidence in brackets`,
  );
}

async function answersOf({ model, preprocessing }: TrainedText, texts: readonly TextRecord[], threads: number): Promise<Float32Array> {
  const opened = await openTextModel(model, preprocessing, threads);
  try {
    return await opened.predict(texts);
  } finally {
    await opened.close();
  }
}

async function explainSome(
  linear: TrainedTextLinear,
  conv: TrainedText,
  texts: readonly TextRecord[],
  { say, threads }: { readonly say: ExampleContext['say']; readonly threads: number },
): Promise<void> {
  const opened = await openTextModel(conv.model, conv.preprocessing, threads);
  const tell = (name: string, text: string, words: readonly WordShare[], probability: number): void =>
    say(`  ${name}  ${(100 * probability).toFixed(0).padStart(3)} %  ${markWords(text, words, { wordsMax: 5 })}`);
  say('');
  say('what words add to the log-odds of an emergency, exactly for the linear model, by leaving them out for the convolutional one');
  for (const record of texts.slice(0, explained)) {
    const text = String(record['text'] ?? '');
    const exact = explainLinear({ text }, linear.preprocessing, linear.weights, emergency);
    tell('linear', text, exact.words, 1 / (1 + Math.exp(-exact.score)));
    const { words, probability } = await explainByOcclusion({
      record: { text },
      preprocessing: conv.preprocessing,
      predict: opened.run,
      classes: 2,
      label: emergency,
    });
    tell('conv  ', text, words, probability);
  }
  await opened.close();
}
