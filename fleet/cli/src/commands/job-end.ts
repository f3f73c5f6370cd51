import type { Job } from '@serin/protocol/api/resources';
import { isErrorCode, SerinError } from '@serin/protocol/errors';
import type { Session } from '../command.ts';
import { exitCodeOf, exitCodes, type ExitCode } from '../exit-codes.ts';
import { printable, printableLines } from '../output.ts';
import { watch } from '../watch.ts';

export const timeoutArg = { 'timeout-s': { type: 'string', valueHint: 'seconds', default: '86400', description: 'give up watching after' } } as const;
export const waitArg = { wait: { type: 'boolean', default: true, description: 'wait for the end', negativeDescription: 'do not wait for the end' } } as const;

export const isFinished = ({ status }: Job): boolean => status === 'SUCCEEDED' || status === 'FAILED' || status === 'CANCELLED';
export const goesOn = (jobId: string): string =>
  `It goes on in the server; \`serin job watch ${jobId}\` watches it again, \`serin job cancel ${jobId}\` ends it`;

/** The exit code of what failed in the server, as if it had failed here. */
export const exitCodeOfFault = (code: string | undefined): ExitCode =>
  code !== undefined && isErrorCode(code) ? exitCodeOf(new SerinError(code)) : exitCodes.failure;

/** Where a job stands. Why it failed is told by its error, whole and once. */
export const jobLine = ({ status, fraction, stage, message, error }: Job): string =>
  printable(`${status} ${Math.round(fraction * 100)} % ${stage} ${error === null ? message : ''}`).trimEnd();

/** Within one stage; what comes next is told at once. */
const toldEveryMs = 5000;

/** Tells how a job goes until it ends; undefined when the time is up. */
export function followJob({ api, world, say }: Session, jobId: string, timeoutMs: number): Promise<Job | undefined> {
  const told = { stage: '', atMs: -Infinity };
  return watch(world, {
    ask: () => api('getJob', { params: { id: jobId } }),
    isDone: isFinished,
    marker: (job) => `${job.status} ${job.stage} ${job.message}`,
    onChange(job) {
      const stage = `${job.status} ${job.stage}`;
      if (stage === told.stage && world.nowMs() - told.atMs < toldEveryMs) return;
      Object.assign(told, { stage, atMs: world.nowMs() });
      say(jobLine(job));
    },
    timeoutMs,
    hint: goesOn(jobId),
  });
}

export function sayFault(error: { code: string; detail: string; hint: string } | null, { say }: Pick<Session, 'say'>): void {
  if (error !== null) say(printableLines(`${error.code}: ${error.detail}\n${error.hint}`));
}
