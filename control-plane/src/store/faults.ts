import { SerinError } from '@serin/protocol/errors';

/** SQLSTATE classes of a server that is gone, starting or out of connections. */
const lostStates = /^(08...|57P0[123]|53300)$/;
const lostCodes = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);
const lostWords = /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|not queryable/;
/** Another transaction was in the way; the same work succeeds when it is done again. */
const retryStates = new Set(['40001', '40P01']);
const fullStates = new Set(['53100', '53400']);

interface Fault {
  code?: unknown;
  message?: unknown;
  cause?: unknown;
  errors?: unknown;
}

/** Drizzle wraps the driver's error, node wraps the errors of several addresses. */
function causesOf(thrown: unknown): Fault[] {
  const causes: Fault[] = [];
  for (let fault = thrown as Fault | undefined; typeof fault === 'object' && fault !== null && causes.length < 8; fault = fault.cause as Fault | undefined) {
    causes.push(fault);
    if (Array.isArray(fault.errors)) causes.push(...(fault.errors as Fault[]).slice(0, 4));
  }
  return causes;
}

const hasCode = (fault: Fault, test: (code: string) => boolean): boolean => typeof fault.code === 'string' && test(fault.code);

export const isRetryable = (thrown: unknown): boolean => causesOf(thrown).some((fault) => hasCode(fault, (code) => retryStates.has(code)));

/** A second row where only one may be: the caller knows what that means. */
export const isDuplicate = (thrown: unknown): boolean => causesOf(thrown).some((fault) => hasCode(fault, (code) => code === '23505'));

export function isConnectionLoss(thrown: unknown): boolean {
  return causesOf(thrown).some(
    (fault) => hasCode(fault, (code) => lostStates.test(code) || lostCodes.has(code)) || (typeof fault.message === 'string' && lostWords.test(fault.message)),
  );
}

/** The coded error behind a fault of the database; anything else is returned as it is. */
export function codedStoreFault(thrown: unknown): unknown {
  if (thrown instanceof SerinError) return thrown;
  if (isConnectionLoss(thrown)) return new SerinError('DATABASE_UNREACHABLE', { cause: thrown });
  if (causesOf(thrown).some((fault) => hasCode(fault, (code) => fullStates.has(code) || code === 'ENOSPC')))
    return new SerinError('DISK_FULL', { cause: thrown });
  return thrown;
}
