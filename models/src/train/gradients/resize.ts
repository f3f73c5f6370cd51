import type { GradientRule } from './rule.ts';

export const resizeGradients: Readonly<Record<string, GradientRule>> = {};
