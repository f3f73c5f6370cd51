import type { GateLimits } from '../../evaluate/gate.ts';

/**
 * What a version must reach. A few dozen frames from devices cannot show small differences, hence the wide margin against the version
 * that serves. Variants are made to lose no more than the thousandths in variants.ts; hundreds of frames tell that to within two more.
 */
export const usualLimits = {
  limits: { map50: { min: 0.85 }, framesRight: { min: 0.85 } },
  quantisationLossMax: 0.005,
  inferiorityMax: 0.15,
  modelBytesMax: 64 * 1024 * 1024,
} as const satisfies GateLimits;
