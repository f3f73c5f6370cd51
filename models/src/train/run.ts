import { sha256 } from '@serin/protocol/digest';
import { asSerinError, SerinError } from '@serin/protocol/errors';

import type { Batch } from '../data/batch-source.ts';
import type { Model, Tensor } from '../onnx/graph.ts';
import { writeModel } from '../onnx/model-file.ts';
import type { BatchOrder } from './batch-order.ts';
import { orCancelled } from './cancellation.ts';
import { openCheckpoints, type Checkpoint, type Checkpoints, type Fingerprint } from './checkpoint.ts';
import { divergenceError, isDiverged } from './divergence.ts';
import { isSpent, noStanding, stand, type Judgement, type Standing } from './early-stopping.ts';
import { addLoss, emptyHistory, lossPoints, type LossHistory, type LossPoint } from './loss-history.ts';
import type { Optimiser } from './optimiser.ts';
import type { TrainProgress } from './progress.ts';
import { warmUpCosine } from './schedule.ts';
import type { TrainOptions } from './train-options.ts';
import type { Trainer } from './trainer.ts';
import { weightDigest, withWeights } from './weights.ts';

/** What a run has beside its weights, all of it in its checkpoints. */
interface Notes {
  readonly history: LossHistory;
  readonly standing: Standing;
  /** Spent before. */
  readonly seconds: number;
}

/** A run under way: what it remembers from step to step, and the files it goes on from after a crash. */
export interface Run {
  readonly trainer: Trainer;
  readonly steps: number;
  readonly resumedFrom: number | undefined;
  readonly secondsBefore: number;
  /** Throws if a number of the step is not finite. */
  record(step: number, values: Readonly<Record<string, number>>, rate: number, batch: Batch): void;
  /** Judges the model if it is time. */
  judge(step: number): Promise<void>;
  /** Writes a checkpoint if it is time, while the steps go on. */
  keep(step: number, seconds: number): Promise<void>;
  isSpent(): boolean;
  status(): Pick<TrainProgress, 'validation' | 'checkpoint'> & { best: Judgement | undefined };
  lastLoss(): number;
  history(step: number): LossPoint[];
  /** The model as it has been learnt: the best judged, or the latest. */
  model(): Model;
  /** Waits for a checkpoint that is being written, and swallows its failure: whoever calls has another or none. */
  settle(): Promise<void>;
}

interface RunParts {
  readonly options: TrainOptions;
  readonly optimiser: Optimiser;
  readonly trainer: Trainer;
  readonly order: BatchOrder;
  readonly examples: number;
}

const everyUsualSeconds = 30;
const bestPrefix = 'best.';

export async function startRun(parts: RunParts): Promise<Run> {
  const { options, trainer, order } = parts;
  const { model, validate, signal, averaging, now = () => performance.now() } = options;
  const steps = Math.max(1, Math.floor(order.stepsPerEpoch * options.epochs));
  const which = averaging === undefined ? 'weights' : 'average';
  const fingerprint = options.checkpoint === undefined ? {} : await fingerprintOf(parts, steps);
  const checkpoints = options.checkpoint === undefined ? undefined : await openCheckpoints<Notes>(options.checkpoint.folder);

  let history = emptyHistory();
  let standing = noStanding;
  let best: ReadonlyMap<string, Tensor> | undefined;
  let last: LossPoint | undefined;
  let checkpoint: TrainProgress['checkpoint'];
  let secondsBefore = 0;

  const found = await checkpoints?.read(fingerprint);
  if (found !== undefined) {
    const { notes, vectors, step } = found.checkpoint;
    trainer.restore(vectors);
    history = notes.history;
    standing = { ...noStanding, ...notes.standing };
    secondsBefore = notes.seconds;
    best = standing.best === undefined ? undefined : tensorsOf(vectors, trainer.weights());
    checkpoint = { file: found.file, step };
  }

  let writing: Promise<void> = Promise.resolve();
  let writtenAt = now();
  const write = async (step: number, seconds: number, into: Checkpoints<Notes>): Promise<void> => {
    const vectors = { ...trainer.state(), ...vectorsOf(best) };
    // The next step will find out; a run must not go on from there.
    if (Object.values(vectors).some((vector) => !isFinite(vector))) return;
    const notes = structuredClone({ history, standing, seconds: secondsBefore + seconds });
    const content: Checkpoint<Notes> = { step, fingerprint, notes, vectors };
    try {
      checkpoint = { file: await into.write(content), step };
    } catch (error) {
      throw asSerinError(error, 'JOB_FAILED');
    }
  };
  const isDue = (step: number): boolean => {
    const { everySteps, everySeconds = everySteps === undefined ? everyUsualSeconds : Infinity } = options.checkpoint ?? {};
    return (everySteps !== undefined && step % everySteps === 0) || now() - writtenAt >= everySeconds * 1000;
  };

  return {
    trainer,
    steps,
    resumedFrom: found?.checkpoint.step,
    secondsBefore,
    record: (step, values, rate, batch) => {
      const { loss = Number.NaN, gradientNorm = Number.NaN } = values;
      if (isDiverged(loss, gradientNorm)) {
        throw divergenceError({
          step,
          loss,
          gradientNorm,
          rate,
          batch,
          examples: order.indicesOf(step),
          history: last === undefined ? history.points : [...history.points, last],
          initial: model.graph.initialisers,
          checkpoint,
        });
      }
      addLoss(history, step, loss);
      last = { step, loss };
    },
    judge: async (step) => {
      if (validate === undefined) return;
      const every = validate.everySteps ?? order.stepsPerEpoch * (validate.everyEpochs ?? 1);
      if (step % every !== 0 && step !== steps) return;
      const weights = trainer.weights(which);
      const value = await orCancelled(validate.run(withWeights(model, weights), signal), signal);
      standing = stand(standing, { step, value }, validate.better);
      if (standing.since === 0) best = weights;
    },
    keep: async (step, seconds) => {
      if (checkpoints === undefined || !isDue(step)) return;
      await orCancelled(writing, signal);
      writtenAt = now();
      writing = write(step, seconds, checkpoints);
      writing.catch(() => {});
    },
    isSpent: () => isSpent(standing, validate?.patience),
    status: () => {
      const { latest } = standing;
      return {
        best: standing.best,
        ...(latest === undefined ? {} : { validation: { ...latest, best: standing.best } }),
        ...(checkpoint === undefined ? {} : { checkpoint }),
      };
    },
    lastLoss: () => history.points.at(-1)?.loss ?? Number.NaN,
    history: (step) => lossPoints(history, step),
    model: () => {
      const weights = best ?? trainer.weights(which);
      const bad = [...weights].find(([, { data }]) => !isFinite(data as Float32Array));
      if (bad !== undefined)
        throw new SerinError('TRAINING_DIVERGED', { detail: `the weight ${bad[0]} holds a number that is not finite after the last step` });
      return withWeights(model, weights);
    },
    settle: async () => {
      await writing.catch(() => {});
    },
  };
}

const courseSamples = 2000;

/** Everything that decides the weights, so that a run never goes on from another's state unknowingly. */
async function fingerprintOf({ options, optimiser, trainer, examples }: RunParts, steps: number): Promise<Fingerprint> {
  const { model, schedule = warmUpCosine(), validate } = options;
  const samples = Math.min(steps, courseSamples);
  const course = Array.from({ length: samples }, (_, index) => {
    const step = 1 + Math.floor((index * steps) / samples);
    return [schedule(step, steps), optimiser.correction(step)];
  });
  return {
    'network, loss and optimiser': await sha256(writeModel(trainer.graph.model)),
    'first weights': await weightDigest(model),
    'state vectors': trainer.graph.state.map(({ name, length }) => `${name}[${length}]`).join(),
    seed: options.seed,
    batch: options.batch,
    'number of examples': examples,
    'number of steps': steps,
    rate: options.rate,
    schedule: await sha256(new TextEncoder().encode(JSON.stringify(course))),
    averaging: options.averaging ?? 'none',
    validation:
      validate === undefined
        ? 'none'
        : `${validate.better}, every ${validate.everySteps ?? `${validate.everyEpochs ?? 1} epochs`}, patience ${validate.patience ?? 'none'}`,
    data: options.dataDigest ?? 'not said',
  };
}

const isFinite = (vector: Float32Array): boolean => vector.every((value) => Number.isFinite(value));

const vectorsOf = (best: ReadonlyMap<string, Tensor> | undefined): Record<string, Float32Array> =>
  Object.fromEntries([...(best ?? [])].map(([name, { data }]) => [bestPrefix + name, data as Float32Array]));

const tensorsOf = (vectors: Readonly<Record<string, Float32Array>>, like: ReadonlyMap<string, Tensor>): Map<string, Tensor> =>
  new Map([...like].map(([name, { dims }]) => [name, { type: 'float32', dims, data: vectors[bestPrefix + name] ?? new Float32Array() }]));
