import fc from 'fast-check';
import { expect, test } from 'vitest';
import { updateOutcome, updatePhase } from '../messages/reported.ts';
import type { DeviceId, ModelName } from '../ids.ts';
import type { RolloutEvent } from './events.ts';
import { parseRollout, planRollout, type RolloutStage, type RolloutState } from './states.ts';
import { stageReach, stepRollout, type RolloutStep } from './step.ts';
import { acceptsEvent, liveStatuses } from './transitions.ts';

/** `constructor` is a legal device id and must not be mistaken for a property of every object. */
const fleet = ['constructor', 'edge-1', 'edge-2', 'edge-3', 'edge-4', 'edge-5'] as DeviceId[];
const version = 4;

const gate = fc.constantFrom('evidence' as const, 'installs' as const);
const stage: fc.Arbitrary<RolloutStage> = fc.oneof(
  fc.record({ kind: fc.constant('count' as const), devices: fc.integer({ min: 1, max: 4 }), gate }),
  fc.record({ kind: fc.constant('share' as const), share: fc.constantFrom(0.1, 0.4, 0.7, 1), gate }),
);
const stages = fc.array(stage, { minLength: 1, maxLength: 4 });

const device = fc.constantFrom(...fleet);
const someVersion = fc.record({ version: fc.constantFrom(3, version) });
const report = fc.record({
  phase: fc.constantFrom(...updatePhase.options),
  active: fc.option(someVersion, { nil: undefined }),
  last: fc.option(
    fc.record({
      version: fc.constantFrom(3, version),
      outcome: fc.constantFrom(...updateOutcome.options),
      code: fc.constantFrom(undefined, 'DISK_FULL', 'PROBATION_FAILED', 'GOLDEN_MISMATCH'),
    }),
    { nil: undefined },
  ),
});
/** Happy reports often, or no random walk would ever get far. */
const likelyReport = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ phase: 'IDLE' as const, active: { version }, last: { version, outcome: 'COMMITTED' as const } }) },
  { weight: 1, arbitrary: report },
);
const verdict = fc.constantFrom('good' as const, 'good' as const, 'pending' as const, 'bad' as const).map((state) => ({
  state,
  words: state,
  canaryBad: null,
  controlBad: null,
  interval: null,
  canaryFrames: 0,
  controlFrames: 0,
  framesNeeded: 0,
  eWorse: 1,
  eNotWorse: 1,
  threshold: 20,
}));
const sighting = fc
  .subarray(fleet)
  .chain((seen) => fc.tuple(...seen.map((id) => fc.record({ device: fc.constant(id), connected: fc.constantFrom(true, true, false) }))));
const by = fc.constant('ada');
const event: fc.Arbitrary<RolloutEvent> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('devices' as const), devices: sighting }) },
  { weight: 12, arbitrary: fc.record({ type: fc.constant('reported' as const), device, report: likelyReport }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('evidence' as const), stageIndex: fc.nat(3), verdict }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('tick' as const) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('start' as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('approve' as const, 'pause' as const, 'resume' as const, 'resume' as const), by }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('abort' as const), by }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('supersede' as const), version: fc.constant(5) }) },
);
const timed = fc.array(fc.record({ event, gapMs: fc.integer({ min: -500, max: 3000 }) }), { maxLength: 80 });
const quick = { dispatchLimitMs: 9000, installLimitMs: 4000, lostAfterMs: 3000, bakeMs: 1000, evidenceLimitMs: 6000, rollbackLimitMs: 4000, gapLimitMs: 1000 };

const betOnFailure = (failures: number, installs: number, usualRate: number): number =>
  (0.95 / usualRate) ** failures * (0.05 / (1 - usualRate)) ** (installs - failures);

interface Walk {
  event: RolloutEvent;
  before: RolloutState;
  step: RolloutStep;
}

/** Begins after the start, so that most walks get somewhere; events unknown in a state must throw and change nothing. */
function walk(plan: RolloutStage[], events: readonly { event: RolloutEvent; gapMs: number }[]): Walk[] {
  let now = 1_000_000;
  let state = planRollout({ model: 'picker' as ModelName, version, salt: 'salt', stages: plan, policy: quick }, now);
  const steps: Walk[] = [];
  const everybody = fleet.map((id) => ({ device: id, connected: true }));
  const opening: RolloutEvent[] = [{ type: 'approve', by: 'ada' }, { type: 'start' }, { type: 'devices', devices: everybody }];
  for (const { event, gapMs } of [...opening.map((first) => ({ event: first, gapMs: 100 })), ...events]) {
    now += gapMs;
    if (!acceptsEvent(state.status, event.type)) {
      expect(() => stepRollout(state, event, now, betOnFailure)).toThrow(expect.objectContaining({ code: 'ROLLOUT_TRANSITION_UNKNOWN' }));
      continue;
    }
    const step = stepRollout(state, event, now, betOnFailure);
    steps.push({ event, before: state, step });
    state = step.state;
  }
  return steps;
}

const byKind = (step: RolloutStep, kind: 'assign' | 'revert'): DeviceId[] =>
  step.commands.flatMap((command) => (command.kind === kind ? [command.device] : []));

function taking(state: RolloutState): number {
  return Object.values(state.members).filter((member) => member.assigned && member.outcome !== 'NOT_REACHED').length;
}

const runs = { numRuns: 400 };

test('no sequence of known events faults, and every state can be stored and read back', () => {
  fc.assert(
    fc.property(stages, timed, (plan, events) => {
      for (const { step } of walk(plan, events)) expect(parseRollout(JSON.parse(JSON.stringify(step.state)))).toEqual(step.state);
    }),
    runs,
  );
});

test('devices are assigned only while dispatching, only where connected or everybody is meant, and never beyond the stage', () => {
  fc.assert(
    fc.property(stages, timed, (plan, events) => {
      for (const { event, before, step } of walk(plan, events)) {
        const assigned = byKind(step, 'assign');
        if (assigned.length === 0) continue;
        expect(before.status).toBe('DISPATCH');
        if (event.type !== 'devices') throw new Error('only a look at the devices assigns');
        const present = plan[before.stageIndex]!;
        const everybody = present.kind === 'share' && present.share === 1;
        for (const id of assigned) expect(event.devices).toContainEqual({ device: id, connected: everybody ? expect.any(Boolean) : true });
        if (!everybody) expect(taking(step.state)).toBeLessThanOrEqual(stageReach(before, event.devices.length));
        expect(Math.max(...Object.values(step.state.members).map((member) => member.stage))).toBeLessThanOrEqual(before.stageIndex);
      }
    }),
    runs,
  );
});

test('stages only move forward', () => {
  fc.assert(
    fc.property(stages, timed, (plan, events) => {
      for (const { before, step } of walk(plan, events)) {
        expect([before.stageIndex, before.stageIndex + 1]).toContain(step.state.stageIndex);
      }
    }),
    runs,
  );
});

test('a stage that asks for evidence is passed only on a good verdict or by an approval, and nothing completes on a bad one', () => {
  fc.assert(
    fc.property(stages, timed, (plan, events) => {
      for (const { event, before, step } of walk(plan, events)) {
        const completed = step.state.status === 'COMPLETED' && before.status !== 'COMPLETED';
        const passed = completed || step.state.stageIndex > before.stageIndex;
        if (passed && plan[before.stageIndex]!.gate === 'evidence' && event.type !== 'approve') expect(step.state.verdict?.state).toBe('good');
        if (passed) expect(Object.values(step.state.members).some((member) => member.outcome === 'ACTIVE')).toBe(true);
        if (step.state.status === 'COMPLETED') expect(step.state.verdict?.state).not.toBe('bad');
        if (event.type === 'evidence' && event.verdict.state === 'bad') expect(['DISPATCH', 'JUDGE', 'PAUSED']).not.toContain(step.state.status);
      }
    }),
    runs,
  );
});

test('whoever was ordered is ordered back when the rollout goes back or gives way', () => {
  fc.assert(
    fc.property(stages, timed, (plan, events) => {
      const ordered = new Set<DeviceId>();
      for (const { before, step } of walk(plan, events)) {
        const wentBack = liveStatuses.has(before.status) && ['ROLLING_BACK', 'ROLLED_BACK', 'SUPERSEDED'].includes(step.state.status);
        for (const id of byKind(step, 'assign')) ordered.add(id);
        const reverted = new Set(byKind(step, 'revert'));
        if (wentBack) expect(reverted).toEqual(ordered);
        for (const id of reverted) {
          expect(ordered.has(id)).toBe(true);
          ordered.delete(id);
        }
      }
    }),
    runs,
  );
});

test('given ticks, a started rollout ends or pauses', () => {
  fc.assert(
    fc.property(stages, timed, (plan, events) => {
      const steps = walk(plan, events);
      let { state } = steps.at(-1)!.step;
      for (let i = 0; i < 60; i++) state = stepRollout(state, { type: 'tick' }, state.steppedAt + 1000, betOnFailure).state;
      expect(['DISPATCH', 'JUDGE', 'ROLLING_BACK']).not.toContain(state.status);
    }),
    runs,
  );
});

test('the same events give the same rollout, in whatever order a look lists the devices', () => {
  fc.assert(
    fc.property(stages, timed, (plan, events) => {
      const mirrored = events.map(({ event, gapMs }) => ({
        event: event.type === 'devices' ? { ...event, devices: event.devices.toReversed() } : event,
        gapMs,
      }));
      const states = walk(plan, events).map(({ step }) => step);
      expect(walk(plan, mirrored).map(({ step }) => step)).toEqual(states);
    }),
    runs,
  );
});

test('random walks do reach every status, so the properties above are about something', () => {
  const reached = new Set<string>();
  fc.assert(
    fc.property(stages, timed, (plan, events) => {
      for (const { step } of walk(plan, events)) reached.add(step.state.status);
    }),
    { numRuns: 3000, seed: 1 },
  );
  expect([...reached].toSorted()).toEqual([
    'COMPLETED',
    'DISPATCH',
    'JUDGE',
    'PAUSED',
    'ROLLBACK_INCOMPLETE',
    'ROLLED_BACK',
    'ROLLING_BACK',
    'SCHEDULED',
    'SUPERSEDED',
  ]);
});
