import { sha256 } from '@serin/protocol/digest';

import { writeModel } from '../onnx/model-file.ts';
import type { Fingerprint } from './checkpoint.ts';
import type { Validation } from './early-stopping.ts';
import type { Optimiser } from './optimiser.ts';
import { warmUpCosine } from './schedule.ts';
import type { TrainOptions } from './train-options.ts';
import type { TrainingGraph } from './training-graph.ts';
import { weightDigest } from './weights.ts';

export interface RunFacts {
  readonly options: TrainOptions;
  readonly optimiser: Optimiser;
  readonly graph: TrainingGraph;
  readonly examples: number;
  readonly steps: number;
}

/** A schedule is a function: it is known by its values at so many steps. */
const courseSamples = 2000;

/** Everything that decides the weights, so that a run never goes on from another's state unknowingly. */
export async function fingerprintOf({ options, optimiser, graph, examples, steps }: RunFacts): Promise<Fingerprint> {
  const { schedule = warmUpCosine(), validate } = options;
  const samples = Math.min(steps, courseSamples);
  const course = Array.from({ length: samples }, (_, index) => {
    const step = 1 + Math.floor((index * steps) / samples);
    return [schedule(step, steps), optimiser.correction(step)];
  });
  return {
    'network, loss and optimiser': await sha256(writeModel(graph.model)),
    'first weights': await weightDigest(options.model),
    'state vectors': graph.state.map(({ name, length }) => `${name}[${length}]`).join(),
    seed: options.seed,
    batch: options.batch,
    'number of examples': examples,
    'number of steps': steps,
    rate: options.rate,
    schedule: await sha256(new TextEncoder().encode(JSON.stringify(course))),
    averaging: options.averaging ?? 'none',
    validation: validate === undefined ? 'none' : wordsOf(validate),
    data: options.dataDigest ?? 'not said',
  };
}

const wordsOf = ({ better, everySteps, everyEpochs = 1, patience }: Validation): string =>
  `${better}, every ${everySteps === undefined ? `${everyEpochs} epochs` : `${everySteps} steps`}, patience ${patience ?? 'none'}`;
