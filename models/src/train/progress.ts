import type { CheckpointPlace } from './checkpoint-keeper.ts';
import type { Judgement } from './early-stopping.ts';

export interface TrainProgress {
  readonly step: number;
  readonly steps: number;
  readonly epoch: number;
  /** Means since the last report: the loss, its parts as `loss.name`, and the gradient's length. */
  readonly values: Readonly<Record<string, number>>;
  readonly loss: number;
  /** The parts of the loss, where it is a sum. */
  readonly parts: Readonly<Record<string, number>>;
  readonly gradientNorm: number;
  /** Learning rate of the last step. */
  readonly rate: number;
  readonly examplesPerSecond: number;
  readonly remainingSeconds: number;
  readonly validation?: Judgement & { readonly best: Judgement | undefined };
  /** Where the run would go on from, were it to end now. */
  readonly checkpoint?: CheckpointPlace;
}

export interface MeterSettings {
  readonly steps: number;
  readonly batch: number;
  /** Steps that were done before this run. */
  readonly from: number;
  readonly everyMs: number;
  readonly everySteps: number;
  now(): number;
}

export type Measured = Pick<TrainProgress, 'values' | 'loss' | 'parts' | 'gradientNorm' | 'examplesPerSecond' | 'remainingSeconds'>;

/** Adds up what steps report; gives the means once it is time, at the first step and at the last. */
export function createMeter({
  steps,
  batch,
  from,
  everyMs,
  everySteps,
  now,
}: MeterSettings): (step: number, values: Readonly<Record<string, number>>, last: boolean) => Measured | undefined {
  const began = now();
  let reportedAt = began;
  let sums: Record<string, number> = {};
  let count = 0;
  return (step, values, last) => {
    for (const [name, value] of Object.entries(values)) sums[name] = (sums[name] ?? 0) + value;
    count += 1;
    const time = now();
    if (!last && step !== from + 1 && count < everySteps && time - reportedAt < everyMs) return undefined;
    const seconds = Math.max(1e-3, (time - reportedAt) / 1000);
    const means = Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum / count]));
    const parts = Object.entries(means).flatMap(([name, mean]) => (name.startsWith('loss.') ? [[name.slice('loss.'.length), mean] as const] : []));
    const measured: Measured = {
      values: means,
      loss: means['loss'] ?? Number.NaN,
      parts: Object.fromEntries(parts),
      gradientNorm: means['gradientNorm'] ?? Number.NaN,
      examplesPerSecond: (count * batch) / seconds,
      // By the mean of the whole run: what is judged and written now and then counts too.
      remainingSeconds: last ? 0 : ((time - began) / 1000 / (step - from)) * (steps - step),
    };
    reportedAt = time;
    sums = {};
    count = 0;
    return measured;
  };
}
