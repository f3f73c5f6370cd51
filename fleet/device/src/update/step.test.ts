import { expect, test } from 'vitest';
import { digest } from '@serin/protocol/ids';
import { type UpdateEventKind, type UpdateJournal, type UpdateState, type UpdateTarget } from './states.ts';
import { startUpdate, stepUpdate, type StepResult } from './step.ts';

const target: UpdateTarget = {
  version: 2,
  manifest: { sha256: digest.parse('a'.repeat(64)), size: 100 },
  bundleBytes: 1000,
  issuedAt: 5,
  isReturn: false,
};
const fresh = startUpdate(1, target);
const at = (state: UpdateState, change: Partial<UpdateJournal> = {}): UpdateJournal => ({ ...fresh, state, ...change });
const deadline = 99_000;

/** Plays events until the update is over. */
function play(events: readonly UpdateEventKind[], from = fresh): { states: string[]; result: StepResult | undefined } {
  let journal = from;
  const states: string[] = [journal.state];
  for (const kind of events) {
    const result = stepUpdate(journal, { kind }, deadline);
    if (result.end !== undefined) return { states: [...states, `END ${result.end.outcome ?? 'SUPERSEDED'} ${result.end.code ?? ''}`.trim()], result };
    journal = result.journal;
    states.push(journal.state);
  }
  return { states, result: undefined };
}

test.for([
  [['FETCHED', 'VERIFIED', 'INTACT', 'WARMED', 'PROVEN', 'COMMITTED'], 'DOWNLOADING VERIFYING STAGED WARMUP PROVISIONAL COMMITTING END COMMITTED'],
  [['FETCHED', 'VERIFIED', 'POWER_LOST', 'VERIFIED', 'INTACT'], 'DOWNLOADING VERIFYING STAGED VERIFYING STAGED WARMUP'],
  [['FETCHED', 'DAMAGED', 'FETCHED'], 'DOWNLOADING VERIFYING DOWNLOADING VERIFYING'],
  [
    ['FETCHED', 'VERIFIED', 'INTACT', 'WARMED', 'DISPROVEN', 'DROPPED'],
    'DOWNLOADING VERIFYING STAGED WARMUP PROVISIONAL ROLLING_BACK END ROLLED_BACK PROBATION_FAILED',
  ],
  [
    ['FETCHED', 'VERIFIED', 'INTACT', 'WARMED', 'POWER_LOST', 'POWER_LOST', 'DROPPED'],
    'DOWNLOADING VERIFYING STAGED WARMUP PROVISIONAL PROVISIONAL ROLLING_BACK END ROLLED_BACK TRIAL_INTERRUPTED',
  ],
  [
    ['FETCHED', 'VERIFIED', 'INTACT', 'WARMED', 'SUPERSEDED', 'POWER_LOST', 'DROPPED'],
    'DOWNLOADING VERIFYING STAGED WARMUP PROVISIONAL ROLLING_BACK ROLLING_BACK END SUPERSEDED',
  ],
  [['FETCHED', 'VERIFIED', 'INTACT', 'CRASHED', 'CRASHED', 'CRASHED'], 'DOWNLOADING VERIFYING STAGED WARMUP WARMUP WARMUP END FAILED INFERENCE_CRASHED'],
  [
    ['FETCHED', 'VERIFIED', 'INTACT', 'WARMED', 'PROVEN', 'POWER_LOST', 'FAULTED', 'COMMITTED'],
    'DOWNLOADING VERIFYING STAGED WARMUP PROVISIONAL COMMITTING COMMITTING COMMITTING END COMMITTED',
  ],
  [['SUPERSEDED'], 'DOWNLOADING END SUPERSEDED'],
] satisfies [UpdateEventKind[], string][])('%j', ([events, expected]) => {
  expect(play(events).states.join(' ')).toBe(expected);
});

test('a return to a stored version begins where verifying does', () => {
  expect(startUpdate(1, { ...target, isReturn: true }).state).toBe('VERIFYING');
});

test('a trial gets its deadline once: starting it again gives it no more time', () => {
  const trial = stepUpdate(at('WARMUP'), { kind: 'WARMED' }, deadline).journal;
  expect(trial).toMatchObject({ state: 'PROVISIONAL', deadline, trialStarts: 1 });
  expect(stepUpdate(trial, { kind: 'POWER_LOST' }, deadline + 1).journal).toMatchObject({ state: 'PROVISIONAL', deadline, trialStarts: 2 });
});

test('the cause of a roll-back survives to its end', () => {
  const rolling = stepUpdate(at('PROVISIONAL'), { kind: 'DISPROVEN', detail: '3 frames failed' }, deadline).journal;
  expect(stepUpdate(rolling, { kind: 'DROPPED' }, deadline).end).toEqual({ outcome: 'ROLLED_BACK', code: 'PROBATION_FAILED', detail: '3 frames failed' });
});
