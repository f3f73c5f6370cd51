import { SerinError } from '@serin/protocol/errors';

import type { Batch } from '../data/batch-source.ts';
import type { Model, Tensor } from '../onnx/graph.ts';
import type { BatchOrder } from './batch-order.ts';
import { orCancelled } from './cancellation.ts';
import { createKeeper, type CheckpointKeeper } from './checkpoint-keeper.ts';
import { openCheckpoints, type Checkpoint } from './checkpoint.ts';
import { divergenceError, isDiverged } from './divergence.ts';
import { isSpent, noStanding, stand, type Judgement, type Standing } from './early-stopping.ts';
import { fingerprintOf } from './fingerprint.ts';
import { addLoss, emptyHistory, lossPoints, type LossHistory, type LossPoint } from './loss-history.ts';
import type { Optimiser } from './optimiser.ts';
import type { TrainProgress } from './progress.ts';
import type { TrainOptions } from './train-options.ts';
import type { Trainer } from './trainer.ts';
import { withWeights } from './weights.ts';

/** What a run has beside its weights, all of it in its checkpoints. */
interface Notes {
  readonly history: LossHistory;
  readonly standing: Standing;
  /** Spent so far. */
  readonly seconds: number;
}

/** A run under way: what it remembers from step to step, and the files it goes on from after a crash. */
export interface Run {
  readonly trainer: Trainer;
  readonly steps: number;
  readonly resumedFrom: number | undefined;
  /** Damaged checkpoints, and what is wrong with them. */
  readonly passedOver: readonly string[];
  readonly secondsBefore: number;
  /** Throws if a number of the step is not finite. */
  record(step: number, values: Readonly<Record<string, number>>, rate: number, batch: Batch): void;
  /** Judges the model if it is time. */
  judge(step: number): Promise<void>;
  /** Writes a checkpoint if it is time. */
  keep(step: number, seconds: number): Promise<void>;
  isSpent(): boolean;
  status(): Pick<TrainProgress, 'validation' | 'checkpoint'> & { best: Judgement | undefined };
  history(step: number): LossPoint[];
  /** The model as it has been learnt: the best judged, or the latest. */
  model(): Model;
  settle(): Promise<void>;
}

export interface RunParts {
  readonly options: TrainOptions;
  readonly optimiser: Optimiser;
  readonly trainer: Trainer;
  readonly order: BatchOrder;
  readonly examples: number;
}

/** Begins a run, or goes on with the one whose checkpoint lies in its folder. */
export async function startRun(parts: RunParts): Promise<Run> {
  const { options, trainer, order } = parts;
  const { model, validate, signal } = options;
  const steps = Math.max(1, Math.floor(order.stepsPerEpoch * options.epochs));
  const which = options.averaging === undefined ? 'weights' : 'average';
  const { keeper, found, passedOver = [] } = await openKeeper(parts, steps);
  const { history = emptyHistory(), seconds: secondsBefore = 0 } = found?.notes ?? {};
  let standing: Standing = { ...noStanding, ...found?.notes.standing };
  let best = found === undefined || standing.best === undefined ? undefined : tensorsOf(found.vectors, trainer.weights());
  let last: LossPoint | undefined;
  if (found !== undefined) trainer.restore(found.vectors);

  return {
    trainer,
    steps,
    resumedFrom: found?.step,
    passedOver,
    secondsBefore,
    record: (step, values, rate, batch) => {
      const { loss = Number.NaN, gradientNorm = Number.NaN } = values;
      if (isDiverged(loss, gradientNorm)) {
        const course = last === undefined ? history.points : [...history.points, last];
        const [examples, initial] = [order.indicesOf(step), model.graph.initialisers];
        throw divergenceError({ step, loss, gradientNorm, rate, batch, examples, initial, history: course, checkpoint: keeper?.latest() });
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
      await keeper?.keep(step, () => {
        const vectors = { ...trainer.state(), ...vectorsOf(best) };
        // The next step will find out; a run must not go on from there.
        if (!Object.values(vectors).every(isFinite)) return undefined;
        return { vectors, notes: structuredClone({ history, standing, seconds: secondsBefore + seconds }) };
      });
    },
    isSpent: () => isSpent(standing, validate?.patience),
    status: () => {
      const [{ best: top, latest }, checkpoint] = [standing, keeper?.latest()];
      return {
        best: top,
        ...(latest === undefined ? {} : { validation: { ...latest, best: top } }),
        ...(checkpoint === undefined ? {} : { checkpoint }),
      };
    },
    history: (step) => lossPoints(history, step),
    model: () => withWeights(model, allFinite(best ?? trainer.weights(which))),
    settle: async () => keeper?.settle(),
  };
}

interface Opened {
  readonly keeper?: CheckpointKeeper<Notes>;
  readonly found?: Checkpoint<Notes>;
  readonly passedOver?: readonly string[];
}

/** What writes the run's checkpoints, and the one to go on from; neither where no checkpoints are wanted. */
async function openKeeper(parts: RunParts, steps: number): Promise<Opened> {
  const { checkpoint: options, signal, now = () => performance.now() } = parts.options;
  if (options === undefined) return {};
  const fingerprint = await fingerprintOf({ ...parts, graph: parts.trainer.graph, steps });
  const checkpoints = await openCheckpoints<Notes>(options.folder);
  const read = await checkpoints.read(fingerprint);
  const latest = read === undefined ? undefined : { file: read.file, step: read.checkpoint.step };
  const keeper = createKeeper({ checkpoints, fingerprint, options, latest, signal, now });
  return read === undefined ? { keeper } : { keeper, found: read.checkpoint, passedOver: read.passedOver };
}

const isFinite = (vector: Float32Array): boolean => vector.every((value) => Number.isFinite(value));

function allFinite(weights: ReadonlyMap<string, Tensor>): ReadonlyMap<string, Tensor> {
  const bad = [...weights].find(([, { data }]) => !isFinite(data as Float32Array));
  if (bad === undefined) return weights;
  throw new SerinError('TRAINING_DIVERGED', { detail: `the weight ${bad[0]} holds a number that is not finite after the last step` });
}

const bestPrefix = 'best.';

const vectorsOf = (best: ReadonlyMap<string, Tensor> | undefined): Record<string, Float32Array> =>
  Object.fromEntries([...(best ?? [])].map(([name, { data }]) => [bestPrefix + name, data as Float32Array]));

const tensorsOf = (vectors: Readonly<Record<string, Float32Array>>, like: ReadonlyMap<string, Tensor>): ReadonlyMap<string, Tensor> =>
  new Map([...like].map(([name, { dims }]) => [name, { type: 'float32', dims, data: vectors[bestPrefix + name] ?? new Float32Array() }]));
