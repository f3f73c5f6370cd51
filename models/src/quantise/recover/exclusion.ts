/** Which layers to leave in float, from a ranking by what 8 bits cost them. */
export interface ExclusionOptions<Outcome> {
  /** The one that loses most first. */
  readonly ranked: readonly string[];
  /** Work of each, as a share of the model's. */
  readonly share: (name: string) => number;
  /** Most work that may stay in float, all together. */
  readonly shareMax: number;
  /** So many sets are tried at most. */
  readonly trialsMax: number;
  readonly judge: (names: ReadonlySet<string>) => Promise<Outcome>;
  readonly suffices: (outcome: Outcome) => boolean;
  readonly isBetter: (outcome: Outcome, than: Outcome) => boolean;
}

export interface Exclusion<Outcome> {
  readonly names: ReadonlySet<string>;
  readonly outcome: Outcome;
  readonly trials: number;
}

/**
 * The smallest set found that suffices, or else the best one: twice as many of the ranking until it is enough, then half the step back and
 * forth, then each one again in 8 bits that is not needed after all. Undefined where none may be left out.
 */
export async function chooseExclusion<Outcome>(options: ExclusionOptions<Outcome>): Promise<Exclusion<Outcome> | undefined> {
  const { suffices, isBetter, trialsMax } = options;
  const fitting = fittingShare(options);
  let trials = 0;
  const attempt = async (names: readonly string[]): Promise<Exclusion<Outcome> | undefined> => {
    if (trials >= trialsMax) return undefined;
    trials += 1;
    const set = new Set(names);
    return { names: set, outcome: await options.judge(set), trials };
  };

  let best: Exclusion<Outcome> | undefined;
  let [enough, short] = [0, 0];
  for (let count = 1; fitting.length > 0 && enough === 0; count = Math.min(count * 2, fitting.length)) {
    const tried = await attempt(fitting.slice(0, count));
    if (tried === undefined) break;
    if (best === undefined || isBetter(tried.outcome, best.outcome)) best = tried;
    if (suffices(tried.outcome)) [enough, best] = [count, tried];
    else if (count === fitting.length) break;
    else short = count;
  }
  if (enough === 0 || best === undefined) return best === undefined ? undefined : { ...best, trials };

  while (enough - short > 1) {
    const middle = Math.floor((enough + short) / 2);
    const tried = await attempt(fitting.slice(0, middle));
    if (tried === undefined) break;
    if (suffices(tried.outcome)) [enough, best] = [middle, tried];
    else short = middle;
  }
  const kept = await shrinkExclusion({ ...options, trialsMax: trialsMax - trials }, best);
  return { ...kept, trials: trials + kept.trials };
}

/** Puts back into 8 bits whatever is not needed, what costs most time first. */
export async function shrinkExclusion<Outcome>(
  { share, judge, suffices, trialsMax }: Omit<ExclusionOptions<Outcome>, 'ranked' | 'shareMax' | 'isBetter'>,
  from: Pick<Exclusion<Outcome>, 'names' | 'outcome'>,
): Promise<Exclusion<Outcome>> {
  let [{ names, outcome }, trials] = [from, 0];
  for (const name of [...names].toSorted((a, b) => share(b) - share(a))) {
    if (trials >= trialsMax) break;
    trials += 1;
    const fewer = new Set([...names].filter((other) => other !== name));
    const tried = await judge(fewer);
    if (suffices(tried)) [names, outcome] = [fewer, tried];
  }
  return { names, outcome, trials };
}

/** Those of the ranking whose work stays within the limit; one that is too much does not keep out the next. */
function fittingShare({ ranked, share, shareMax }: Pick<ExclusionOptions<unknown>, 'ranked' | 'share' | 'shareMax'>): string[] {
  let left = shareMax;
  return ranked.filter((name) => {
    const fits = share(name) <= left;
    if (fits) left -= share(name);
    return fits;
  });
}
