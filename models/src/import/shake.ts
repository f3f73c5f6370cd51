import type { Random } from '@serin/inference/random';
import type { ImportSpec } from '@serin/protocol/import-spec';

import type { Robustness } from '../evaluate/measured.ts';
import { attackPerturbations } from '../evaluate/robustness/attack.ts';
import { classLoss, classTargets } from '../evaluate/robustness/input-gradient.ts';
import { picturePerturbations, type Pictures } from '../evaluate/robustness/pictures.ts';
import { measureRobustness } from '../evaluate/robustness/robustness.ts';
import type { Model } from '../onnx/graph.ts';
import { askModel } from './ask.ts';
import { judgeAnswers, truthOf } from './judge.ts';
import type { ImportPictures } from './pictures.ts';
import type { Wrapped } from './wrap.ts';

const robustMax = 200;

interface Shaking {
  readonly model: Model;
  readonly wrapped: Wrapped;
  readonly spec: ImportSpec;
  readonly pictures: ImportPictures | undefined;
  readonly random: Random;
  readonly asking: { threads: number; signal: AbortSignal | undefined };
  readonly report: (stage: 'evaluate', fraction: number, words: string) => void;
}

/** How much worse the model gets on pictures that something has happened to. */
export async function robustnessOf({ model, wrapped, spec, pictures, random, asking, report }: Shaking): Promise<Robustness | undefined> {
  const labels = pictures?.judge.labels;
  if (wrapped.task !== 'image-classification' || wrapped.frame === undefined || pictures === undefined || labels === undefined) return undefined;
  const count = Math.min(robustMax, pictures.judge.count);
  const known = labels.slice(0, count);
  const bytes = wrapped.frame.width * wrapped.frame.height * wrapped.frame.channels;
  const attacks = attackPerturbations({
    model,
    loss: classLoss(model),
    targets: (places) =>
      classTargets(
        places.map((place) => known[place] ?? 0),
        spec.labels.length,
      ),
    threads: asking.threads,
  });
  return measureRobustness<Pictures>({
    examples: { shape: wrapped.frame, pixels: pictures.judge.pixels.subarray(0, count * bytes) },
    judge: async ({ pixels }) => {
      const answers = await askModel(model, wrapped, { count, pixels }, asking);
      return judgeAnswers(answers, truthOf(wrapped, spec, answers, known));
    },
    perturbations: [...picturePerturbations(), ...attacks],
    random: random.fork('robustness'),
    signal: asking.signal,
    timeMsMax: 60_000,
    onProgress: (fraction, words) => report('evaluate', 0.65 + 0.25 * fraction, words),
  });
}
