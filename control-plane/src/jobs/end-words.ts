import { isErrorCode, SerinError } from '@serin/protocol/errors';
import type { JobEnd } from './queue.ts';

const wordsMax = 1000;

/** What happened and what to do, for people who see no more of a job than this. */
export function endWords({ message, error }: Pick<JobEnd, 'message' | 'error'>): string {
  if (error === undefined) return message.slice(0, wordsMax);
  const { code, detail, hint } = error;
  const what = isErrorCode(code) ? new SerinError(code).message : code;
  const told = detail === '' || detail === what ? what : `${what}: ${detail}`;
  const advice = hint === '' ? '' : `. ${hint}`;
  return `${told.slice(0, Math.max(0, wordsMax - advice.length))}${advice}`.slice(0, wordsMax);
}
