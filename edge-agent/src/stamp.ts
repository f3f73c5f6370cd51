import type { Clock } from '@serin/device/ports';
import type { BootId } from '@serin/protocol/ids';

/** What every message up carries; one count for all connections of a boot, so that a gap in it is a loss. */
export type Stamp = () => { v: 1; boot: BootId; seq: number; ts: number };

export function createStamp(boot: BootId, clock: Pick<Clock, 'now'>): Stamp {
  let seq = 0;
  return () => ({ v: 1, boot, seq: seq++, ts: clock.now() });
}
