import type { Model } from '../onnx/graph.ts';

/** Judges the model now and then on data it does not learn from. */
export interface Validation {
  readonly everySteps?: number;
  /** Every epoch unless said otherwise. */
  readonly everyEpochs?: number;
  /** The number to go by. It must depend on the model alone, or a resumed run may end elsewhere. */
  run(model: Model, signal: AbortSignal | undefined): number | Promise<number>;
  readonly better: 'lower' | 'higher';
  /** The run ends after so many judgements in a row that were no better; without it the run goes on and the best is kept. */
  readonly patience?: number;
}

export interface Judgement {
  readonly step: number;
  readonly value: number;
}

/** How a run has done so far, in plain data. */
export interface Standing {
  readonly best: Judgement | undefined;
  readonly latest: Judgement | undefined;
  /** Judgements since the best. */
  readonly since: number;
}

export const noStanding: Standing = { best: undefined, latest: undefined, since: 0 };

/** What a judgement that is not a number says is not known to be better. */
export function stand({ best, since }: Standing, latest: Judgement, better: Validation['better']): Standing {
  const { value } = latest;
  const improved = !Number.isNaN(value) && (best === undefined || (better === 'lower' ? value < best.value : value > best.value));
  return improved ? { best: latest, latest, since: 0 } : { best, latest, since: since + 1 };
}

export const isSpent = ({ since }: Standing, patience: number | undefined): boolean => patience !== undefined && since >= patience;
