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

/** The command line itself is wrong, or a file it names: nothing was sent. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** A file that the command line names and that is not to be had, in plain words where the reason is a plain one. */
export function unreadable(file: string, cause: unknown): UsageError {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'ENOENT') return new UsageError(`there is no ${file}`);
  if (code === 'EACCES' || code === 'EPERM') return new UsageError(`${file} may not be read by you`);
  return new UsageError(`${file} cannot be read: ${message}`);
}
