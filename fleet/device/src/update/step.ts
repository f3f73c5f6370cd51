import { SerinError } from '@serin/protocol/errors';
import { updateLimits, type UpdateEnd, type UpdateEvent, type UpdateJournal, type UpdateState, type UpdateTarget } from './states.ts';
import { transitions, type Transition } from './transitions.ts';

/** What the way out may still need once no other entry is allowed: a commit, its roll-back, the end. */
const wayOutWrites = 3;
const isWayOut = (to: Transition['to']): boolean => to === 'END' || to === 'ROLLING_BACK' || to === 'COMMITTING';

const clip = (text: string): string => text.slice(0, 300);

export interface StepResult {
  journal: UpdateJournal;
  /** Set once the update is over; the journal then only says what it was. */
  end: UpdateEnd | undefined;
  /** False when nothing changed that a restart would need. */
  mustWrite: boolean;
}

export function startUpdate(seq: number, target: UpdateTarget): UpdateJournal {
  return { seq, state: target.isReturn ? 'VERIFYING' : 'DOWNLOADING', target, attempts: 0, trialStarts: 0, deadline: 0, writes: 1 };
}

function takeRow(journal: UpdateJournal, row: Transition): { row: Transition; counted: Partial<UpdateJournal> } {
  if (row.counts === undefined) return { row, counted: {} };
  const { what, limit, beyond } = row.counts;
  const count = journal[what] + 1;
  return count > limit ? { row: beyond, counted: {} } : { row, counted: { [what]: count } };
}

function limitWrites(journal: UpdateJournal, row: Transition): Transition {
  if (journal.writes < updateLimits.writes - wayOutWrites || isWayOut(row.to)) return row;
  const served = journal.state === 'PROVISIONAL';
  return served ? { to: 'ROLLING_BACK', code: 'UPDATE_STATE_LIMIT' } : { to: 'END', outcome: 'FAILED', code: 'UPDATE_STATE_LIMIT' };
}

/** Work begins anew in a state that was not entered from itself; counts of another state's troubles do not carry over. */
const freshCounts = (from: UpdateState, to: UpdateState): Partial<UpdateJournal> => (from === to ? {} : { attempts: 0 });

/** The next entry of the journal; `deadline` is what a trial that begins now is given. */
export function stepUpdate(journal: UpdateJournal, event: UpdateEvent, deadline: number): StepResult {
  const found = transitions[journal.state][event.kind];
  if (found === undefined) throw new SerinError('UPDATE_TRANSITION_UNKNOWN', { detail: `${event.kind} in ${journal.state}` });
  const { row: counted, counted: counts } = takeRow(journal, found);
  const row = limitWrites(journal, counted);
  const code = row === found ? (event.code ?? row.code) : (row.code ?? event.code);
  const cause = {
    ...(code === undefined ? {} : { code }),
    ...(event.detail === undefined ? {} : { detail: clip(event.detail) }),
    ...(row.isSuperseded === true ? { isSuperseded: true } : {}),
  };
  if (row.isSilent === true) return { journal, end: undefined, mustWrite: false };

  if (row.to === 'END') {
    const { isSuperseded = false, ...reason } = journal.state === 'ROLLING_BACK' ? (journal.cause ?? {}) : cause;
    const said =
      row.outcome === 'COMMITTED'
        ? {}
        : { ...(reason.code === undefined ? {} : { code: reason.code }), ...(reason.detail === undefined ? {} : { detail: reason.detail }) };
    return { journal, end: { outcome: isSuperseded ? undefined : row.outcome, ...said }, mustWrite: true };
  }

  const isNewTrial = row.to === 'PROVISIONAL' && journal.state !== 'PROVISIONAL';
  const { cause: _before, ...kept } = journal;
  return {
    journal: {
      ...kept,
      ...freshCounts(journal.state, row.to),
      ...counts,
      state: row.to,
      writes: journal.writes + 1,
      ...(event.chosen === undefined ? {} : { chosen: event.chosen }),
      ...(isNewTrial ? { deadline, trialStarts: 1 } : {}),
      ...(row.to === 'ROLLING_BACK' ? { cause } : {}),
    },
    end: undefined,
    mustWrite: true,
  };
}
