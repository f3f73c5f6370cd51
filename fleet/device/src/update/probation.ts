import type { WindowCounters } from '@serin/protocol/messages/telemetry';

export interface ProbationRule {
  /** Clean frames that prove a trial. */
  frames: number;
  /** Time it has for them. */
  durationMs: number;
}

export type Verdict = { kind: 'PROVEN' } | { kind: 'DISPROVEN'; detail: string };

/** A trial must run enough frames without one failure; how good its answers are is for the fleet to judge, not for one device. */
export function judgeProbation(seen: Pick<WindowCounters, 'run' | 'failed' | 'nonFinite'>, rule: ProbationRule): Verdict | undefined {
  if (seen.failed > 0 || seen.nonFinite > 0) {
    return { kind: 'DISPROVEN', detail: `${seen.failed} frames failed and ${seen.nonFinite} answers were not finite, of ${seen.run + seen.failed}` };
  }
  return seen.run >= rule.frames ? { kind: 'PROVEN' } : undefined;
}
