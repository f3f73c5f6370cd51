import { asSerinError } from '@serin/protocol/errors';

import { orCancelled } from './cancellation.ts';
import type { Checkpoint, Checkpoints, Fingerprint } from './checkpoint.ts';
import type { CheckpointOptions } from './train-options.ts';

export interface CheckpointPlace {
  readonly file: string;
  readonly step: number;
}

/** Writes checkpoints when it is time, while the steps go on. */
export interface CheckpointKeeper<Notes> {
  /** `content` is asked for only when it is time; nothing is written where it gives nothing. */
  keep(step: number, content: () => Pick<Checkpoint<Notes>, 'notes' | 'vectors'> | undefined): Promise<void>;
  /** Where the run would go on from. */
  latest(): CheckpointPlace | undefined;
  /** Waits for what is being written, and swallows its failure: whoever calls has a better error, or needs no checkpoint any more. */
  settle(): Promise<void>;
}

export interface KeeperSettings<Notes> {
  readonly checkpoints: Checkpoints<Notes>;
  readonly fingerprint: Fingerprint;
  readonly options: CheckpointOptions;
  readonly latest: CheckpointPlace | undefined;
  readonly signal: AbortSignal | undefined;
  now(): number;
}

const everyUsualSeconds = 30;

export function createKeeper<Notes>({ checkpoints, fingerprint, options, latest: found, signal, now }: KeeperSettings<Notes>): CheckpointKeeper<Notes> {
  const { everySteps, everySeconds = everySteps === undefined ? everyUsualSeconds : Infinity } = options;
  let latest = found;
  let writing: Promise<void> = Promise.resolve();
  let writtenAt = now();

  const write = async (checkpoint: Checkpoint<Notes>): Promise<void> => {
    try {
      latest = { file: await checkpoints.write(checkpoint), step: checkpoint.step };
    } catch (error) {
      throw asSerinError(error, 'JOB_FAILED');
    }
  };
  return {
    keep: async (step, content) => {
      const due = (everySteps !== undefined && step % everySteps === 0) || now() - writtenAt >= everySeconds * 1000;
      if (!due) return;
      await orCancelled(writing, signal);
      writtenAt = now();
      const given = content();
      if (given === undefined) return;
      writing = write({ step, fingerprint, ...given });
      writing.catch(() => {});
    },
    latest: () => latest,
    settle: async () => {
      await writing.catch(() => {});
    },
  };
}
