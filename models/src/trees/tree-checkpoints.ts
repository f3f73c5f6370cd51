import { decodeTrees, encodeTrees } from '@serin/inference/trees/encode';
import type { TreeEnsemble } from '@serin/inference/trees/ensemble';
import { sha256 } from '@serin/protocol/digest';

import { createKeeper, type CheckpointKeeper } from '../train/checkpoint-keeper.ts';
import { openCheckpoints, type Fingerprint } from '../train/checkpoint.ts';
import type { TreeJob } from './tree-job.ts';
import type { TrainTreesOptions, TreePoint } from './tree-options.ts';

interface Notes {
  readonly history: readonly TreePoint[];
  readonly seconds: number;
  readonly bytes: number;
}

export interface TreeCheckpoints {
  /** What was grown before, where a checkpoint says so. */
  readonly begun: (Notes & { readonly trees: TreeEnsemble; readonly iteration: number }) | undefined;
  keep(iteration: number, content: () => { trees: TreeEnsemble; history: readonly TreePoint[]; seconds: number }): Promise<void>;
  settle(): Promise<void>;
}

/** Finds the checkpoint a run goes on from, and writes new ones; undefined where none are wanted. */
export async function openTreeCheckpoints(given: TrainTreesOptions, job: TreeJob): Promise<TreeCheckpoints | undefined> {
  const { checkpoint: options, signal, now = () => performance.now() } = given;
  if (options === undefined) return undefined;
  const fingerprint = await fingerprintOf(job);
  const checkpoints = await openCheckpoints<Notes>(options.folder);
  const read = await checkpoints.read(fingerprint);
  const latest = read === undefined ? undefined : { file: read.file, step: read.checkpoint.step };
  const keeper: CheckpointKeeper<Notes> = createKeeper({ checkpoints, fingerprint, options, latest, signal, now });
  const words = read?.checkpoint.vectors['trees'];
  return {
    begun:
      read === undefined || words === undefined
        ? undefined
        : {
            ...read.checkpoint.notes,
            iteration: read.checkpoint.step,
            trees: decodeTrees(new Uint8Array(words.buffer, words.byteOffset, read.checkpoint.notes.bytes)),
          },
    keep: (iteration, content) =>
      keeper.keep(iteration, () => {
        const { trees, history, seconds } = content();
        const bytes = encodeTrees(trees);
        const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
        padded.set(bytes);
        return { notes: { history, seconds, bytes: bytes.length }, vectors: { trees: new Float32Array(padded.buffer) } };
      }),
    settle: () => keeper.settle(),
  };
}

/** Everything that decides the trees but the number of threads. */
async function fingerprintOf({ train, validation, objective, options, seed, levels }: TreeJob): Promise<Fingerprint> {
  const digest = ({ buffer, byteOffset, byteLength }: Float32Array | Float64Array): Promise<string> =>
    sha256(new Uint8Array(buffer, byteOffset, byteLength).slice());
  return {
    features: await digest(train.values),
    labels: await digest(train.labels),
    weights: await digest(train.weights),
    levels: levels.join(),
    'validation features': validation === undefined ? 'none' : await digest(validation.values),
    'validation labels': validation === undefined ? 'none' : `${await digest(validation.labels)} ${await digest(validation.weights)}`,
    objective: JSON.stringify(objective),
    options: JSON.stringify(options),
    seed,
  };
}
