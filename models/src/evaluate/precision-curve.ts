import type { Counted } from './ranking.ts';

/** An amount by frame, over frames that are there so often. */
export const weigh = (amounts: ArrayLike<number>, counts: ArrayLike<number>): number => {
  let sum = 0;
  for (let frame = 0; frame < amounts.length; frame += 1) sum += (amounts[frame] as number) * (counts[frame] as number);
  return sum;
};

export interface Hit {
  readonly frame: number;
  readonly score: number;
  /** Bit i is set where it is a hit at the i-th least overlap. */
  readonly hits: number;
}

/** Area under the interpolated curve of precision over recall, a mean over the first so many least overlaps; `truths` by frame. */
export function precisionOver(hits: readonly Hit[], truths: ArrayLike<number>, steps = 1): Counted {
  const ordered = hits.toSorted((a, b) => b.score - a.score);
  const frames = Uint32Array.from(ordered, ({ frame }) => frame);
  const bits = Uint16Array.from(ordered, (one) => one.hits & ((1 << steps) - 1));
  // Equal scores cannot be told apart by any threshold; and where nothing is hit the curve only falls.
  const ends: number[] = [];
  let isHit = false;
  ordered.forEach(({ score }, place) => {
    isHit ||= bits[place] !== 0;
    if (!isHit || ordered[place + 1]?.score === score) return;
    ends.push(place + 1);
    isHit = false;
  });
  const found = new Float64Array((ends.length + 1) * steps);
  const told = new Float64Array(ends.length);
  return (counts) => {
    let place = 0;
    let all = 0;
    for (let point = 0; point < ends.length; point += 1) {
      const here = (point + 1) * steps;
      for (let step = 0; step < steps; step += 1) found[here + step] = found[here + step - steps] as number;
      for (const end = ends[point] as number; place < end; place += 1) {
        const count = counts[frames[place] as number] as number;
        if (count === 0) continue;
        all += count;
        for (let left = bits[place] as number, at = here; left !== 0; left >>= 1, at += 1) if ((left & 1) === 1) found[at] = (found[at] as number) + count;
      }
      told[point] = all;
    }
    let area = 0;
    for (let step = 0; step < steps; step += 1) {
      let best = 0;
      for (let point = ends.length - 1; point >= 0; point -= 1) {
        const [now, before] = [found[(point + 1) * steps + step] as number, found[point * steps + step] as number];
        if (now === before) continue;
        best = Math.max(best, now / (told[point] as number));
        area += best * (now - before);
      }
    }
    return area / steps / weigh(truths, counts);
  };
}
