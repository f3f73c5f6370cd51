import type { WindowCounters } from '@serin/protocol/messages/telemetry';

export interface ProbationRule {
  /** Clean frames that prove a trial at once. */
  frames: number;
  /** After this a single clean frame will do: cameras may be slow. */
  durationMs: number;
  /** Without one by then the trial is over. Wall clock, so that it holds across restarts. */
  limitMs: number;
}

export type Verdict = { kind: 'PROVEN' } | { kind: 'DISPROVEN'; detail: string };

/** A trial must run its frames without one failure; how good its answers are is for the fleet to judge, not for one device. */
export function judgeProbation(seen: Pick<WindowCounters, 'run' | 'failed' | 'nonFinite'>, elapsedMs: number, rule: ProbationRule): Verdict | undefined {
  if (seen.failed > 0 || seen.nonFinite > 0) {
    return { kind: 'DISPROVEN', detail: `${seen.failed} frames failed and ${seen.nonFinite} answers were not finite, of ${seen.run + seen.failed}` };
  }
  const wanted = elapsedMs >= rule.durationMs ? 1 : rule.frames;
  return seen.run >= wanted ? { kind: 'PROVEN' } : undefined;
}
