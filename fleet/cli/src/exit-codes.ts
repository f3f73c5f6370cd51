import type { ErrorCode, SerinError } from '@serin/protocol/errors';

/** What the command ends with, for scripts; docs/cli.md has the same table. */
export const exitCodes = { ok: 0, failure: 1, usage: 2, auth: 3, notFound: 4, conflict: 5, rolledBack: 6, timeout: 7 } as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

const authCodes: readonly ErrorCode[] = ['NOT_SIGNED_IN', 'TOKEN_INVALID', 'FORBIDDEN'];

export function exitCodeOf(error: SerinError): ExitCode {
  if (authCodes.includes(error.code)) return exitCodes.auth;
  if (error.code === 'CONFIG_INVALID') return exitCodes.usage;
  if (error.status === 404) return exitCodes.notFound;
  return error.status === 409 ? exitCodes.conflict : exitCodes.failure;
}

/** The command line itself is wrong: nothing was sent. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
