import { z } from 'zod/mini';
import { count } from '../ids.ts';
import { binsMax, embeddingFeaturesMax, statisticsPerWindowMax } from '../limits.ts';

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

/** Confidence is counted in tenths; a class has one row of them. */
export const confidenceBins = 10;
/** Models with more classes than this tell their confidence as one statistic only. */
export const classConfidenceCellsMax = 100 * confidenceBins;

/** Sums over frames of the random Fourier features z that a model's graph computes of its embedding. */
export const embeddingMoments = z.object({
  count,
  /** Of z, element by element. */
  sum: z.array(z.number()).check(z.minLength(1), z.maxLength(embeddingFeaturesMax)),
  /** Of the squared lengths of z. */
  squares: z.number().check(z.gte(0)),
});
export type EmbeddingMoments = z.infer<typeof embeddingMoments>;

/** How far stated confidence was from being right, on labelled examples no weight has seen. */
export const calibrationProfile = z.object({
  /** What logits were divided by before they became confidence; 1 where nothing was gained by it. */
  temperature: z.number().check(z.gt(0)),
  /** Expected calibration error of what is deployed. */
  ece: z.number().check(z.gte(0), z.lte(1)),
  /** By tenths of confidence: how many, their mean confidence, the share that was right. */
  bins: z.array(z.object({ count, confidence: z.number(), right: z.number() })).check(z.maxLength(confidenceBins)),
});
export type CalibrationProfile = z.infer<typeof calibrationProfile>;

export const profile = z.object({
  v: z.literal(1),
  /** Frames in each reference window; windows of another size are merged or scaled to it before they are judged. */
  framesPerWindow: count,
  /** The assumption the null windows rest on, in words; alerts repeat it. */
  assumption: z.string().check(z.maxLength(500)),
  statistics: z.array(profileStatistic).check(z.maxLength(statisticsPerWindowMax)),
  /** Class by confidence of the reference, as windows count it. */
  classConfidence: z.optional(z.array(count).check(z.maxLength(classConfidenceCellsMax))),
  calibration: z.optional(calibrationProfile),
  /** Of models that put out an embedding; `nullMmd` are squared distances of reference windows, ascending. */
  embedding: z.optional(z.extend(embeddingMoments, { nullMmd: z.array(z.number()).check(z.maxLength(10_000)) })),
});
export type Profile = z.infer<typeof profile>;
