import { z } from 'zod/mini';
import { count } from '../ids.ts';
import { binsMax, statisticsPerWindowMax } from '../limits.ts';

/** `brightness`, or `column/age` for a column of records: whatever letters a column's name may have. */
export const statisticName = z.string().check(z.regex(/^[^\p{Cc}]{1,160}$/u));

/** One statistic's frozen bins, its reference counts and what windows without drift look like. */
export const profileStatistic = z.object({
  name: statisticName,
  /** Bin edges, ascending, one more than bins. */
  edges: z.array(z.number()).check(z.minLength(2), z.maxLength(binsMax + 1)),
  /** `[under, bins…, over, nan]`: two more than edges. */
  counts: z.array(count),
  mean: z.number(),
  deviation: z.number().check(z.gte(0)),
  /** Corrected PSI of reference windows, ascending; empty where the data did not suffice for any. */
  nullPsi: z.array(z.number()).check(z.maxLength(10_000)),
});
export type ProfileStatistic = z.infer<typeof profileStatistic>;

export const profile = z.object({
  v: z.literal(1),
  /** Frames in each reference window; windows of another size are merged or scaled to it before they are judged. */
  framesPerWindow: count,
  /** The assumption the null windows rest on, in words; alerts repeat it. */
  assumption: z.string().check(z.maxLength(500)),
  statistics: z.array(profileStatistic).check(z.maxLength(statisticsPerWindowMax)),
});
export type Profile = z.infer<typeof profile>;
