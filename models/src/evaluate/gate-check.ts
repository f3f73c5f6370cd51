import type { Variant } from '@serin/protocol/bundle/manifest';

import { shown } from '../pipeline/figures.ts';

export type Better = 'higher' | 'lower';

export interface GateCheck {
  readonly name: string;
  /** Null where there was nothing to measure: such a check never passes. */
  readonly value: number | null;
  readonly limit: number;
  readonly passed: boolean;
  /** One sentence for people. */
  readonly words: string;
  /** Of this variant alone: failing leaves it out, and the version goes without it. */
  readonly variant?: Variant | undefined;
}

export interface GateVerdict {
  readonly passed: boolean;
  readonly checks: readonly GateCheck[];
}

export const points = (share: number): string => `${(100 * share).toFixed(1)} points`;
/** Small shares, as a loss of a few tenths of a percent. */
export const smallPercent = (share: number): string => `${Number((100 * share).toPrecision(3))} %`;

interface Limited {
  readonly name: string;
  readonly value: number;
  readonly side: 'at least' | 'at most';
  readonly limit: number;
  /** What was found, without its limit. */
  readonly found: string;
  readonly show?: (value: number) => string;
  /** Behind the distance, where it fails: what to do, what follows. */
  readonly follows?: string;
  readonly variant?: Variant;
}

/** The only place that says what passes: what is beyond its limit does not, and what is not a number does not. */
export function limitCheck({ name, value, side, limit, found, show = shown, follows = '', variant }: Limited): GateCheck {
  const passed = side === 'at least' ? value >= limit : value <= limit;
  const asked = `${side} ${show(limit)} is ${side === 'at least' ? 'asked' : 'allowed'}`;
  const off = Number.isFinite(value) ? `, it is off by ${show(Math.abs(limit - value))}` : ', and what is not known does not pass';
  return {
    name,
    value: Number.isFinite(value) ? value : null,
    limit,
    passed,
    words: `${found}; ${asked}${passed ? '' : `${off}${follows}`}`,
    ...(variant === undefined ? {} : { variant }),
  };
}

/** A failed check of one variant leaves that variant out and stops nothing. */
export const verdict = (checks: readonly GateCheck[]): GateVerdict => ({
  passed: checks.every(({ passed, variant }) => passed || variant !== undefined),
  checks,
});
