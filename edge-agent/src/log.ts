import { pino, type Logger } from 'pino';

export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;
export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** Events as JSON lines on stdout, written at once: a line that was logged is there even if the power goes next. */
export function createLog(level: LogLevel): Logger {
  const destination = pino.destination({ fd: 1, sync: true });
  // A full disk or a reader that left costs lines, not the device.
  destination.on('error', () => undefined);
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}
