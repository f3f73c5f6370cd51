import { seededRandom } from '@serin/inference/random';
import type { Preprocessing } from '@serin/protocol/bundle/preprocessing';
import type { MetricName } from '@serin/protocol/pipeline';

import { judgeClasses, judgeValues } from '../evaluate/judged-classes.ts';
import type { Judged } from '../evaluate/judged.ts';
import type { Robustness } from '../evaluate/measured.ts';
import { attackPerturbations } from '../evaluate/robustness/attack.ts';
import { classLoss, classTargets } from '../evaluate/robustness/input-gradient.ts';
import { drawExamples, type Perturbation } from '../evaluate/robustness/perturbation.ts';
import { picturePerturbations, type Pictures } from '../evaluate/robustness/pictures.ts';
import { recordPerturbations } from '../evaluate/robustness/records.ts';
import { measureRobustness } from '../evaluate/robustness/robustness.ts';
import { readModel } from '../onnx/model-file.ts';
import { answersOf } from './answers.ts';
import { decisionsOf, type Deciding } from './metrics.ts';
import { pickRows, type DataFacts, type Part } from './part.ts';
import type { StageContext } from './stage.ts';

export interface RobustnessJob {
  readonly facts: DataFacts;
  readonly preprocessing: Preprocessing | undefined;
  /** As it was learnt: slopes are taken of it. */
  readonly trained: Uint8Array;
  /** The graph that answers. */
  readonly deployed: Uint8Array;
  readonly test: Part;
  readonly deciding: Deciding;
  readonly metric: MetricName;
}

/** So many tell a drop from chance; more would only take longer. */
const rowsMax = { images: 300, text: 1000, table: 5000 } as const;
const repeatsMax = 500;
const timeMsMax = 60_000;

/** How much worse the deployed model gets on test rows that something has happened to. */
export async function robustnessOf(context: StageContext, job: RobustnessJob): Promise<Robustness> {
  const { facts, preprocessing, deployed, test, deciding, metric } = job;
  const { file } = context.plan;
  const random = seededRandom(file.seed).fork('robustness');
  const part = pickRows(test, drawExamples(test.rows, rowsMax[facts.kind], random.fork('rows')));
  const judge = async (some: Part): Promise<Judged> => {
    const answers = await answersOf(deployed, preprocessing, some, facts.frame, { signal: context.signal });
    if (facts.task === 'regression') return judgeValues({ values: answers.values, truths: some.labels, groups: some.groups, main: metric });
    const decided = decisionsOf(answers, some.labels, facts, deciding);
    const { positive, labels: names } = facts;
    return judgeClasses({
      probabilities: answers.values,
      labels: some.labels,
      names,
      decided,
      positive,
      costs: deciding.costs,
      groups: some.groups,
      main: metric,
    });
  };
  return measureRobustness({
    examples: part,
    judge,
    metric,
    perturbations: part.pixels === undefined ? ofRecords(part, facts) : ofPictures(part, job),
    random,
    repeats: Math.min(repeatsMax, file.evaluate.repeats),
    signal: context.signal,
    timeMsMax,
    onProgress: (fraction, words) => context.progress(fraction, `robustness: ${words}`),
  });
}

const ofRecords = ({ table }: Part, { features }: DataFacts): Perturbation<Part>[] =>
  recordPerturbations(table, features).map((one) => ({
    ...one,
    apply: async (part, context) => ({ ...part, table: await one.apply(part.table, context) }),
  }));

function ofPictures(part: Part, { facts, trained }: RobustnessJob): Perturbation<Part>[] {
  const { size, channels } = facts.frame ?? { size: 0, channels: 1 };
  const pictures: Pictures = { shape: { width: size, height: size, channels }, pixels: part.pixels ?? new Uint8Array() };
  const model = readModel(trained);
  const targets = (places: readonly number[]) =>
    classTargets(
      places.map((place) => part.labels[place] ?? 0),
      facts.labels.length,
    );
  const all = [...picturePerturbations(), ...(facts.task === 'classification' ? attackPerturbations({ model, loss: classLoss(model), targets }) : [])];
  return all.map((one) => ({ ...one, apply: async (some, context) => ({ ...some, pixels: (await one.apply(pictures, context)).pixels }) }));
}
