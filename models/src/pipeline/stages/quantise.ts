import { median } from '../figures.ts';
import { evaluate } from '../../evaluate/metrics.ts';
import { readModel, writeModel } from '../../onnx/model-file.ts';
import { openSession, runtimeTensor, type Session } from '../../onnx/session.ts';
import { quantise as quantiseModel } from '../../quantise/quantise.ts';
import { answersOf, feederOf } from '../answers.ts';
import { decodeJson, decodePart, type LearningFacts, type Part } from '../part.ts';
import type { Stage, StageContext, StageOutcome } from '../stage.ts';

const lossMax = 0.01;
const samples = 128;
const timedRuns = 21;

/** Eight bits where they help: only networks of pictures are made of products that gain by it. */
export const quantise: Stage = {
  name: 'quantise',
  modules: () => [new URL(import.meta.url)],
  settings: ({ file }) => ({ quantise: file.quantise, kind: file.train.kind }),
  reads: () => ['split/train.bin', 'split/validation.bin', 'split/facts.json', 'train/model.onnx', 'evaluate/model.onnx'],
  runtime: true,
  skip: ({ file: { quantise: wish, train } }) => {
    if (wish === 'never') return 'the pipeline says never';
    if (train.kind === 'image-classifier') return undefined;
    return train.kind === 'trees'
      ? 'trees compare numbers, there are no products to quantise'
      : `${train.kind} is small already; 8 bits would cost accuracy and win no time`;
  },
  run: async (context) => {
    const facts = decodeJson<LearningFacts>(await context.read('split/facts.json'));
    const bytes = await deployedModel(context);
    const train = decodePart(await context.read('split/train.bin'));
    const validation = decodePart(await context.read('split/validation.bin'));
    context.progress(null, 'measuring the ranges of values');
    const count = Math.min(samples, train.rows);
    const feeder = feederOf(undefined, train, facts.frame);
    const small = writeModel(
      (
        await quantiseModel(readModel(bytes), {
          batches: Array.from({ length: count }, (_, row) => ({ ...feeder(row, row + 1) })),
          signal: context.signal,
        })
      ).model,
    );
    return decide(context, { facts, bytes, small, validation });
  },
};

/** Calibrated where that helped. */
export const deployedModel = (context: StageContext): Promise<Uint8Array> =>
  context.read(context.has('evaluate/model.onnx') ? 'evaluate/model.onnx' : 'train/model.onnx');

interface Candidates {
  readonly facts: LearningFacts;
  readonly bytes: Uint8Array;
  readonly small: Uint8Array;
  readonly validation: Part;
}

async function decide(context: StageContext, { facts, bytes, small, validation }: Candidates): Promise<StageOutcome> {
  const rightOf = async (model: Uint8Array): Promise<number> => {
    const { values, width } = await answersOf(model, undefined, validation, facts.frame, { signal: context.signal });
    return evaluate(values, validation.labels, width).accuracy;
  };
  const loss = (await rightOf(bytes)) - (await rightOf(small));
  const ratio = await speedUp(bytes, small, validation, facts);
  const share = small.length / bytes.length;
  const found = `8 bits: ${(100 * share).toFixed(0)} % of the size, ${ratio.toFixed(2)} times as fast, ${(100 * loss).toFixed(1)} points of accuracy lost on the validation part`;
  const taken = loss <= lossMax && share < 1 && ratio > 1;
  const words = taken ? found : `${found}; left out, ${loss > lossMax ? `more than ${100 * lossMax} points are` : 'and that is'} no gain`;
  return { words, skipped: !taken, outputs: taken ? { 'model.u8s8.onnx': small } : {}, facts: { loss, ratio, share } };
}

/** Turn about, so that what else the machine does falls on both. */
async function speedUp(one: Uint8Array, other: Uint8Array, part: Part, facts: LearningFacts): Promise<number> {
  const sessions: Session[] = [await openSession(one), await openSession(other)];
  try {
    const feeds = Object.entries(feederOf(undefined, part, facts.frame)(0, 1)).map(
      ([name, { type, data, dims }]) => [name, runtimeTensor(type, data, dims)] as const,
    );
    const times: [number[], number[]] = [[], []];
    for (let run = 0; run < timedRuns; run += 1) {
      for (const [place, session] of sessions.entries()) {
        const began = performance.now();
        await session.run(Object.fromEntries(feeds));
        times[place as 0 | 1].push(performance.now() - began);
      }
    }
    return median(times[0]) / median(times[1]);
  } finally {
    for (const session of sessions) await session.release();
  }
}
