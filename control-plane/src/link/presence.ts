import type { Status } from '@serin/protocol/messages/status';

/** What is known of a device's connection; `ts` is the device's own stamp of the last accepted status, unknown after a restart. */
export interface Presence {
  online: boolean;
  boot: string | null;
  conn: number;
  ts: number | null;
}

/**
 * A birth or a will, put after what is known. A will carries the connection it was made for, so one that comes late,
 * after the device is back, is recognised: same boot with an older connection, or another boot stamped earlier.
 * Undefined means that it changes nothing.
 */
export function applyStatus(known: Presence, status: Status): Presence | undefined {
  const { online, boot, conn, ts } = status;
  if (boot === known.boot) {
    if (conn < known.conn) return undefined;
    // Of one connection the birth comes first and the will last.
    if (conn === known.conn && online && !known.online && known.ts !== null) return undefined;
  } else if (known.ts !== null && ts < known.ts) return undefined;
  return { online, boot, conn, ts };
}
