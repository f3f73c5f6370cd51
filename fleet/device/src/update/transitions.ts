import type { ErrorCode } from '@serin/protocol/errors';
import type { UpdateOutcome } from '@serin/protocol/messages/reported';
import { updateLimits, type UpdateEventKind, type UpdateState } from './states.ts';

export interface Transition {
  to: UpdateState | 'END';
  /** Of an end; absent for one that a newer order caused. A roll-back ends with the cause noted on the way. */
  outcome?: UpdateOutcome;
  /** For causes that the event does not carry. */
  code?: ErrorCode;
  /** Counts this row; beyond the limit the other row is taken. */
  counts?: { what: 'attempts' | 'trialStarts'; limit: number; beyond: Transition };
  /** A repetition that changes nothing worth writing down. */
  isSilent?: true;
  isSuperseded?: true;
}

const end = (outcome: UpdateOutcome, code?: ErrorCode): Transition => ({ to: 'END', outcome, ...(code === undefined ? {} : { code }) });
const rollBack = (code?: ErrorCode): Transition => ({ to: 'ROLLING_BACK', ...(code === undefined ? {} : { code }) });
const dropped: Transition = { to: 'END', isSuperseded: true };
const attempts = (limit: number, beyond: Transition): NonNullable<Transition['counts']> => ({ what: 'attempts', limit, beyond });

/**
 * The whole life of an update, power loss in every state included. A pair that is not here is a fault of the program.
 * STAGED verifies again after a power loss: what was about to be written may not have reached the medium.
 * What is damaged on the medium is fetched again; the limit of writes ends that on a medium that always damages.
 */
export const transitions: Record<UpdateState, Partial<Record<UpdateEventKind, Transition>>> = {
  DOWNLOADING: {
    FETCHED: { to: 'VERIFYING' },
    STALLED: { to: 'DOWNLOADING', counts: attempts(updateLimits.downloadAttempts, end('FAILED', 'TRANSFER_BUDGET_SPENT')) },
    REFUSED: end('REJECTED'),
    FAULTED: end('FAILED'),
    SUPERSEDED: dropped,
    POWER_LOST: { to: 'DOWNLOADING' },
  },
  VERIFYING: {
    VERIFIED: { to: 'STAGED' },
    DAMAGED: { to: 'DOWNLOADING' },
    REFUSED: end('REJECTED'),
    FAULTED: end('FAILED'),
    SUPERSEDED: dropped,
    POWER_LOST: { to: 'VERIFYING' },
  },
  STAGED: {
    INTACT: { to: 'WARMUP' },
    REFUSED: end('REJECTED'),
    FAULTED: end('FAILED'),
    SUPERSEDED: dropped,
    POWER_LOST: { to: 'VERIFYING' },
  },
  WARMUP: {
    WARMED: { to: 'PROVISIONAL' },
    WARMED_WITHOUT_TRIAL: { to: 'COMMITTING' },
    REFUSED: end('REJECTED'),
    FAULTED: end('FAILED'),
    CRASHED: { to: 'WARMUP', counts: attempts(updateLimits.warmupAttempts, end('FAILED', 'INFERENCE_CRASHED')) },
    SUPERSEDED: dropped,
    POWER_LOST: { to: 'WARMUP', counts: attempts(updateLimits.warmupAttempts, end('FAILED', 'TRIAL_INTERRUPTED')) },
  },
  PROVISIONAL: {
    PROVEN: { to: 'COMMITTING' },
    DISPROVEN: rollBack('PROBATION_FAILED'),
    LATE: rollBack('PROBATION_FAILED'),
    CRASHED: rollBack('INFERENCE_CRASHED'),
    FAULTED: rollBack(),
    SUPERSEDED: { to: 'ROLLING_BACK', isSuperseded: true },
    POWER_LOST: { to: 'PROVISIONAL', counts: { what: 'trialStarts', limit: updateLimits.trialStarts, beyond: rollBack('TRIAL_INTERRUPTED') } },
  },
  COMMITTING: {
    COMMITTED: end('COMMITTED'),
    DAMAGED: rollBack(),
    FAULTED: { to: 'COMMITTING', isSilent: true },
    POWER_LOST: { to: 'COMMITTING', isSilent: true },
  },
  ROLLING_BACK: {
    DROPPED: end('ROLLED_BACK'),
    FAULTED: { to: 'ROLLING_BACK', isSilent: true },
    POWER_LOST: { to: 'ROLLING_BACK', isSilent: true },
  },
};
