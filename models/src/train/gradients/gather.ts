import type { GradientRule } from './rule.ts';

export const gatherGradients: Readonly<Record<string, GradientRule>> = {};
