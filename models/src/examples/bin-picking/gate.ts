import { comparePaired, type PairedComparison } from '../../evaluate/compare.ts';
import type { DetectionEvaluation } from '../../evaluate/detection.ts';
import { judge, servingOfPairs, type GateJudgement, type GateLimits } from '../../evaluate/gate.ts';

export interface DetectionEvidence {
  readonly float: DetectionEvaluation;
  readonly quantised: DetectionEvaluation;
  /** The version now serving, on the same frames. */
  readonly champion?: DetectionEvaluation | undefined;
  readonly modelBytes: number;
}

export interface DetectorJudgement extends GateJudgement {
  /** What most devices will run: 8 bits, or float where 8 bits lose too much. */
  readonly served: 'u8s8' | 'fp32';
  readonly comparison: PairedComparison | undefined;
}

/** A few dozen frames from devices cannot show small differences, hence the wide margins against float and the champion. */
export const usualLimits = {
  limits: { map50: { min: 0.85 }, framesRight: { min: 0.85 } },
  quantisationLossMax: 0.02,
  inferiorityMax: 0.15,
  modelBytesMax: 64 * 1024 * 1024,
} as const satisfies GateLimits;

const main = { metric: 'map50', better: 'higher' } as const;

/** Decides whether a version may be packaged, by the variant that most devices will run. */
export function judgeDetector({ float, quantised, champion, modelBytes }: DetectionEvidence, limits: GateLimits = usualLimits): DetectorJudgement {
  const loss = { ...main, float: float.map50, value: quantised.map50, examples: quantised.frames };
  const judgeServed = (served: DetectionEvaluation): GateJudgement & { comparison: PairedComparison | undefined } => {
    const comparison = champion === undefined ? undefined : comparePaired(served.right, champion.right);
    const evidence = {
      main,
      part: `${served.frames} held-out frames`,
      metrics: { map50: served.map50, framesRight: served.rightShare },
      serving: comparison === undefined ? undefined : servingOfPairs(comparison, 'frames'),
      variants: [
        { variant: 'u8s8', bytes: modelBytes, loss },
        { variant: 'fp32', bytes: modelBytes },
      ] as const,
    };
    return { ...judge(evidence, limits), comparison };
  };
  const small = judgeServed(quantised);
  return small.variants[0]?.ships === true ? { ...small, served: 'u8s8' } : { ...judgeServed(float), served: 'fp32' };
}
