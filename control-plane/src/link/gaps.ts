/** The span of window numbers seen of one boot of a device. */
export interface Span {
  least: number;
  most: number;
}

/**
 * Takes a window that was not there before; returns the new span and by how much the count of missing numbers
 * (those inside the span that never came) changes. Windows may come in any order: a late one fills its gap.
 */
export function extendSpan(span: Span | undefined, seq: number): { span: Span; missing: number } {
  if (span === undefined) return { span: { least: seq, most: seq }, missing: 0 };
  if (seq > span.most) return { span: { least: span.least, most: seq }, missing: seq - span.most - 1 };
  if (seq < span.least) return { span: { least: seq, most: span.most }, missing: span.least - seq - 1 };
  return { span, missing: -1 };
}
