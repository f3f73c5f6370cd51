import type { GradientRule } from './rule.ts';

export const normaliseGradients: Readonly<Record<string, GradientRule>> = {};
