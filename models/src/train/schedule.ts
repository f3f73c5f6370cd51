/** Learning rate of step `step` (from 1) of `steps`, as a share of the highest. */
export type Schedule = (step: number, steps: number) => number;

export const constantRate: Schedule = () => 1;

/** Linear warm-up over a share of all steps, then half a cosine down to `floor`. */
export const warmUpCosine =
  ({ warmUp = 0.05, floor = 0 }: { readonly warmUp?: number; readonly floor?: number } = {}): Schedule =>
  (step, steps) => {
    const rising = Math.max(1, Math.round(steps * warmUp));
    if (step <= rising) return step / rising;
    const done = (step - rising) / Math.max(1, steps - rising);
    return floor + ((1 - floor) * (1 + Math.cos(Math.PI * done))) / 2;
  };

/** How far the average of the weights goes towards those of step `step`; a young one looks back less far, or it would remember the beginning. */
export const averagingShare = (averaging: number, step: number): number => Math.max(1 - averaging, 9 / (9 + step));
