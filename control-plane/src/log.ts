import { pino, stdSerializers, type LogFn, type Logger } from 'pino';
import { SerinError } from '@serin/protocol/errors';

export type Log = Logger;
export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';

/** A fault with a code says where to look; a stack is for faults nobody foresaw. */
function serializeError(error: unknown): unknown {
  if (!(error instanceof SerinError)) return error instanceof Error ? stdSerializers.err(error) : error;
  const { code, detail, cause } = error;
  return {
    code,
    ...(detail === undefined ? {} : { detail }),
    ...(cause instanceof Error ? { cause: cause.message } : {}),
  };
}

const quietMs = 10_000;
const keysMax = 1000;

/**
 * The same event with the same error, told once in ten seconds with the number left out: a part that tries again
 * twice a second through an outage must not fill the disk with it.
 */
function quietRepeats(now: () => number): (name: string) => { isTold: boolean; repeated: number } {
  const told = new Map<string, { at: number; repeated: number }>();
  return (name) => {
    const entry = told.get(name);
    if (entry !== undefined && now() - entry.at < quietMs) {
      entry.repeated++;
      return { isTold: false, repeated: 0 };
    }
    if (told.size >= keysMax) told.clear();
    told.set(name, { at: now(), repeated: 0 });
    return { isTold: true, repeated: entry?.repeated ?? 0 };
  };
}

/** Events as JSON lines on stderr; stdout stays for what a person or a script waits for. */
export function createLog(level: LogLevel): Log {
  const repeats = quietRepeats(() => performance.now());
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: serializeError, cause: serializeError },
      hooks: {
        logMethod(args: Parameters<LogFn>, method) {
          const [fields, event] = args as unknown as [{ err?: unknown }, string];
          if (typeof fields !== 'object' || fields === null || fields.err === undefined) return method.apply(this, args);
          const { code, message } = fields.err as { code?: string; message?: string };
          const { isTold, repeated } = repeats(`${event} ${code ?? message}`);
          if (isTold) method.apply(this, [repeated === 0 ? fields : { ...fields, repeated }, event] as unknown as Parameters<LogFn>);
        },
      },
    },
    pino.destination({ fd: 2, sync: true }),
  );
}
