import type { Log } from '../log.ts';

export interface Line {
  level: 'debug' | 'info' | 'warn' | 'error';
  event: string;
  [field: string]: unknown;
}

/** A log that is kept to be looked at. */
export function recordLog(): { log: Log; lines: Line[] } {
  const lines: Line[] = [];
  const at =
    (level: Line['level']) =>
    (fields: object, event: string): void =>
      void lines.push({ ...fields, level, event });
  return { log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } as unknown as Log, lines };
}
