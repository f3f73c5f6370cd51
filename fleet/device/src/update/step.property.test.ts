import fc from 'fast-check';
import { expect, test } from 'vitest';
import { digest } from '@serin/protocol/ids';
import { updateEvents, updateJournal, updateLimits, updateStates, type UpdateEnd, type UpdateEvent, type UpdateJournal, type UpdateTarget } from './states.ts';
import { startUpdate, stepUpdate } from './step.ts';
import { transitions } from './transitions.ts';

const target: UpdateTarget = {
  version: 2,
  manifest: { sha256: digest.parse('c'.repeat(64)), size: 900 },
  bundleBytes: 100_000,
  issuedAt: 1_700_000_000_000,
  isReturn: false,
};
const deadline = 1_700_000_600_000;

/** Which of the known events of a state happens, however long the life. */
const choices = fc.array(fc.record({ pick: fc.nat(1_000), code: fc.option(fc.constantFrom('TRANSFER_STALLED', 'GOLDEN_MISMATCH'), { nil: undefined }) }), {
  minLength: 1,
  maxLength: 120,
});

interface Life {
  states: string[];
  journal: UpdateJournal;
  end: UpdateEnd | undefined;
  written: number;
}

function live(isReturn: boolean, picks: readonly { pick: number; code: string | undefined }[], only = (_kind: string): boolean => true): Life {
  const life: Life = { states: [], journal: startUpdate(1, { ...target, isReturn }), end: undefined, written: 1 };
  for (const { pick, code } of picks) {
    if (life.end !== undefined) break;
    life.states.push(life.journal.state);
    const known = updateEvents.filter((kind) => transitions[life.journal.state][kind] !== undefined && only(kind));
    const kind = known[pick % known.length];
    if (kind === undefined) break;
    const event: UpdateEvent = { kind, ...(code === undefined ? {} : { code }), detail: 'x'.repeat(pick) };
    const { journal, end, mustWrite } = stepUpdate(life.journal, event, deadline);
    if (mustWrite) life.written++;
    life.journal = journal;
    life.end = end;
  }
  return life;
}

test('every state knows what to do after a power loss', () => {
  for (const state of updateStates) expect(transitions[state].POWER_LOST, state).toBeDefined();
});

test('a pair that is not in the table is a fault of the program, never a guess', () => {
  for (const state of updateStates) {
    for (const kind of updateEvents) {
      const journal = { ...startUpdate(1, target), state };
      if (transitions[state][kind] === undefined)
        expect(() => stepUpdate(journal, { kind }, deadline)).toThrow(expect.objectContaining({ code: 'UPDATE_TRANSITION_UNKNOWN' }));
      else expect(() => stepUpdate(journal, { kind }, deadline)).not.toThrow();
    }
  }
});

test('whatever happens, an update is written down at most as often as its limit, and every entry can be read again', () => {
  fc.assert(
    fc.property(fc.boolean(), choices, (isReturn, picks) => {
      const { journal, written } = live(isReturn, picks);
      expect(written).toBeLessThanOrEqual(updateLimits.writes);
      expect(updateJournal.safeParse(JSON.parse(JSON.stringify(journal))).success).toBe(true);
      expect(journal.trialStarts).toBeLessThanOrEqual(updateLimits.trialStarts);
    }),
    { numRuns: 1_000 },
  );
});

test('it commits only what was verified and warmed, and what it did not commit has a cause or a newer order', () => {
  fc.assert(
    fc.property(fc.boolean(), choices, (isReturn, picks) => {
      const { states, end } = live(isReturn, picks);
      if (end === undefined) return;
      if (end.outcome === 'COMMITTED') {
        expect(states.slice(0, -1)).toEqual(expect.arrayContaining(['VERIFYING', 'STAGED', 'WARMUP']));
        expect(states.at(-1)).toBe('COMMITTING');
      }
      if (end.outcome === 'ROLLED_BACK') expect(states.at(-1)).toBe('ROLLING_BACK');
      if (states.includes('PROVISIONAL')) expect(['COMMITTING', 'ROLLING_BACK']).toContain(states.at(-1));
      expect((end.detail ?? '').length).toBeLessThanOrEqual(300);
    }),
    { numRuns: 1_000 },
  );
});

test('where every step works, each start ends in a commit within the limit', () => {
  const good = new Set(['FETCHED', 'VERIFIED', 'INTACT', 'WARMED', 'PROVEN', 'COMMITTED']);
  for (const isReturn of [false, true]) {
    const { end, states } = live(
      isReturn,
      Array.from({ length: 20 }, () => ({ pick: 0, code: undefined })),
      (kind) => good.has(kind),
    );
    expect(end).toEqual({ outcome: 'COMMITTED' });
    expect(states[0]).toBe(isReturn ? 'VERIFYING' : 'DOWNLOADING');
  }
});

test('a trial that is interrupted too often goes back, and the cause is still known at its end', () => {
  let journal: UpdateJournal = { ...startUpdate(1, target), state: 'PROVISIONAL', trialStarts: 1 };
  for (let start = 1; start < updateLimits.trialStarts; start++) journal = stepUpdate(journal, { kind: 'POWER_LOST' }, deadline).journal;
  expect(journal.state).toBe('PROVISIONAL');
  journal = stepUpdate(journal, { kind: 'POWER_LOST' }, deadline).journal;
  expect(journal.state).toBe('ROLLING_BACK');
  const again = stepUpdate(updateJournal.parse(JSON.parse(JSON.stringify(journal))), { kind: 'POWER_LOST' }, deadline);
  expect(again.mustWrite).toBe(false);
  expect(stepUpdate(again.journal, { kind: 'DROPPED' }, deadline).end).toEqual({ outcome: 'ROLLED_BACK', code: 'TRIAL_INTERRUPTED' });
});

test('power that fails at every step ends the update, not the device', () => {
  let journal = startUpdate(1, target);
  let end: UpdateEnd | undefined;
  for (let step = 0; end === undefined; step++) {
    expect(step).toBeLessThan(100);
    const lost = stepUpdate(journal, { kind: 'POWER_LOST' }, deadline);
    ({ journal, end } = lost);
  }
  expect(end).toMatchObject({ outcome: 'FAILED', code: 'UPDATE_STATE_LIMIT' });
});

test('a newer order is no failure: the update ends without an outcome, also by way of a roll-back', () => {
  for (const state of ['DOWNLOADING', 'VERIFYING', 'STAGED', 'WARMUP'] as const)
    expect(stepUpdate({ ...startUpdate(1, target), state }, { kind: 'SUPERSEDED' }, deadline).end).toEqual({ outcome: undefined });
  const trial = stepUpdate({ ...startUpdate(1, target), state: 'PROVISIONAL', trialStarts: 1 }, { kind: 'SUPERSEDED' }, deadline);
  expect(trial.journal.state).toBe('ROLLING_BACK');
  expect(stepUpdate(trial.journal, { kind: 'DROPPED' }, deadline).end).toEqual({ outcome: undefined });
});
