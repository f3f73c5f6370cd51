import type { ReportVariant } from '@serin/protocol/bundle/report';

/** What the quantise stage knows of one form of the model, float among them; it leaves a list of these as `variants.json`. */
export interface MadeVariant extends Pick<ReportVariant, 'variant' | 'bytes' | 'latency' | 'time' | 'quantised' | 'left' | 'leftCount' | 'recovery'> {
  /** Why there is no file of it: too slow, lost too much, could not be made. */
  readonly leftOut?: string;
}
