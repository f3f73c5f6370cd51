export interface LossPoint {
  /** The last step of those the point is the mean of. */
  readonly step: number;
  readonly loss: number;
}

/** A course of the loss in a bounded number of points, in plain data: means over ever more steps. */
export interface LossHistory {
  readonly points: LossPoint[];
  /** Steps in a point. */
  stride: number;
  /** Of the point being made. */
  sum: number;
  count: number;
}

const pointsMax = 400;

export const emptyHistory = (): LossHistory => ({ points: [], stride: 1, sum: 0, count: 0 });

export function addLoss(history: LossHistory, step: number, loss: number): void {
  history.sum += loss;
  history.count += 1;
  if (history.count < history.stride) return;
  history.points.push({ step, loss: history.sum / history.count });
  history.sum = 0;
  history.count = 0;
  if (history.points.length < pointsMax) return;
  const merged = history.points.flatMap((point, index, all) =>
    index % 2 === 0 ? [] : [{ step: point.step, loss: (point.loss + (all[index - 1]?.loss ?? point.loss)) / 2 }],
  );
  history.points.splice(0, history.points.length, ...merged);
  history.stride *= 2;
}

/** All points, the unfinished one among them. */
export const lossPoints = ({ points, sum, count }: LossHistory, step: number): LossPoint[] =>
  count === 0 ? [...points] : [...points, { step, loss: sum / count }];
