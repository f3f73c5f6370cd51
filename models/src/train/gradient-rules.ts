import { activationGradients } from './gradients/activation.ts';
import { convTransposeGradients } from './gradients/conv-transpose.ts';
import { convGradients } from './gradients/conv.ts';
import { elementwiseGradients } from './gradients/elementwise.ts';
import { gatherGradients } from './gradients/gather.ts';
import { linearGradients } from './gradients/linear.ts';
import { maxPoolGradients } from './gradients/max-pool.ts';
import { movementGradients } from './gradients/movement.ts';
import { normaliseGradients } from './gradients/normalise.ts';
import { poolGradients } from './gradients/pool.ts';
import { quantisedGradients } from './gradients/quantised.ts';
import { reductionGradients } from './gradients/reduction.ts';
import { resizeGradients } from './gradients/resize.ts';
import type { GradientRule } from './gradients/rule.ts';

/** One rule an operator of the standard domain. */
export const gradientRules: Readonly<Record<string, GradientRule>> = {
  ...elementwiseGradients,
  ...activationGradients,
  ...reductionGradients,
  ...movementGradients,
  ...gatherGradients,
  ...linearGradients,
  ...convGradients,
  ...convTransposeGradients,
  ...maxPoolGradients,
  ...poolGradients,
  ...resizeGradients,
  ...normaliseGradients,
  ...quantisedGradients,
};
