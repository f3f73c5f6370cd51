import type { Random } from '@serin/inference/random';
import type { ImportSpec } from '@serin/protocol/import-spec';

import type { BaselineEvidence } from '../evaluate/gate.ts';
import { judgeClasses } from '../evaluate/judged-classes.ts';
import type { Judged } from '../evaluate/judged.ts';
import { compareJudged, valueOn } from '../evaluate/measure.ts';
import type { Compared } from '../evaluate/measured.ts';
import { readModel } from '../onnx/model-file.ts';
import { askModel } from './ask.ts';
import type { Imported, ImportRequest } from './import-model.ts';
import { judgeAnswers, truthOf } from './judge.ts';
import type { ImportPictures } from './pictures.ts';
import type { Wrapped } from './wrap.ts';

/** What an import is held against on the same pictures: the version that serves, and guessing. */

interface Comparing {
  readonly wrapped: Wrapped;
  readonly pictures: ImportPictures | undefined;
  readonly judged: Judged | undefined;
  readonly random: Random;
  readonly asking: { threads: number; signal: AbortSignal | undefined };
  readonly note: (line: string) => void;
}

/** The version that serves, on the same pictures. What cannot be asked about them is said, and fails the gate where labels are there. */
export async function compareServing(
  { champion, spec }: ImportRequest,
  { wrapped, pictures, judged, random, asking, note }: Comparing,
): Promise<Imported['compared']> {
  if (champion === undefined) return undefined;
  const labels = pictures?.judge.labels;
  if (pictures === undefined || judged === undefined || labels === undefined) {
    note(`not compared with version ${champion.version}, which serves: nothing says what is right. Folders named after the classes would`);
    return undefined;
  }
  if (champion.labels.join('\n') !== spec.labels.join('\n')) {
    note(`version ${champion.version}, which serves, knows other classes: it cannot be compared`);
    return undefined;
  }
  const theirs = await askModel(readModel(champion.model), wrapped, pictures.judge, asking);
  const other = judgeAnswers(theirs, truthOf(wrapped, spec, theirs, labels));
  return { version: champion.version, compared: await compareJudged(judged, other, { random: random.fork('compared') }) };
}

/** Always the most frequent class of the pictures that ranges were learnt from: a model that is not better knows nothing, or is fed wrongly. */
export async function guessing(
  judged: Judged | undefined,
  pictures: ImportPictures | undefined,
  { labels: names }: ImportSpec,
  random: Random,
): Promise<BaselineEvidence | undefined> {
  const [learnt, labels] = [pictures?.learn.labels, pictures?.judge.labels];
  if (judged === undefined || judged.main !== 'accuracy' || learnt === undefined || labels === undefined) return undefined;
  const counts = names.map((_, place) => learnt.filter((one) => one === place).length);
  const most = counts.indexOf(Math.max(...counts));
  const width = Math.max(2, names.length);
  const probabilities = Float32Array.from({ length: labels.length * width }, (_, at) => (at % width === most ? 1 : 0));
  const guessed = judgeClasses({ probabilities, labels, names });
  const { metrics } = await compareJudged(judged, guessed, { random: random.fork('guessing') });
  const found = metrics.find(({ name }) => name === 'accuracy');
  return { name: `always ${names[most] ?? ''}`, metric: 'accuracy', value: valueOn(guessed), gain: found?.gain ?? null };
}

export const gainOf = ({ metrics, main }: Compared) => metrics.find(({ name }) => name === main)?.gain ?? undefined;

export function servingWords({ version, compared }: NonNullable<Imported['compared']>): string {
  const { challenger, champion, gain } = compared.metrics.find(({ name }) => name === compared.main) ?? {};
  const said =
    gain === undefined || gain === null
      ? 'the difference is not defined'
      : `better by ${gain.value.toPrecision(3)} (${gain.low.toPrecision(3)} to ${gain.high.toPrecision(3)})`;
  return `on the same ${compared.count} pictures ${compared.main} is ${challenger?.toPrecision(4)}, of the serving version ${version} ${champion?.toPrecision(4)}: ${said}`;
}
