const pointsMax = 1000;

/** Points of a curve as they come, thinned to what a chart can show: of a long one every second, fourth, ... is kept, and the last. */
export interface Curve {
  readonly add: (step: number, value: number) => void;
  readonly points: () => [number, number][];
}

export function createCurve(most = pointsMax): Curve {
  let kept: [number, number][] = [];
  let every = 1;
  let seen = 0;
  let last: [number, number] | undefined;
  return {
    add: (step, value) => {
      if (!Number.isFinite(value)) return;
      last = [step, value];
      if (seen % every === 0) kept.push(last);
      seen += 1;
      if (kept.length < most) return;
      kept = kept.filter((_, index) => index % 2 === 0);
      every *= 2;
    },
    points: () => (last === undefined || kept.at(-1) === last ? [...kept] : [...kept, last]),
  };
}
