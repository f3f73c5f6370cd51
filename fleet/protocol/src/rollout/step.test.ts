import { expect, test } from 'vitest';
import type { RolloutVerdict } from '../api/resources.ts';
import type { DeviceId, ModelName } from '../ids.ts';
import type { MemberReport, RolloutCommand, RolloutEvent } from './events.ts';
import { inOrder } from './order.ts';
import { allAtOnceStages, canaryStages, parseRollout, planRollout, type RolloutPolicy, type RolloutStage, type RolloutState } from './states.ts';
import { stepRollout } from './step.ts';

const version = 4;
const policy: Partial<RolloutPolicy> = {
  dispatchLimitMs: 10_000,
  installLimitMs: 4000,
  lostAfterMs: 3000,
  bakeMs: 0,
  evidenceLimitMs: 5000,
  rollbackLimitMs: 5000,
  gapLimitMs: 1000,
};

/** A bet that installs fail with 95 %: an e-value of one alternative, 19 at one failure and 361 at two. */
function betOnFailure(failures: number, installs: number, usualRate: number): number {
  return (0.95 / usualRate) ** failures * (0.05 / (1 - usualRate)) ** (installs - failures);
}

const report = {
  working: { phase: 'DOWNLOADING', active: { version: 3 } },
  active: { phase: 'IDLE', active: { version }, last: { version, outcome: 'COMMITTED' } },
  trial: { phase: 'PROVISIONAL', active: { version } },
  back: { phase: 'IDLE', active: { version: 3 } },
  failed: (code: string) => ({ phase: 'IDLE', active: { version: 3 }, last: { version, outcome: 'FAILED', code } }) as const,
} satisfies Record<string, MemberReport | ((code: string) => MemberReport)>;

function verdict(state: RolloutVerdict['state'], words = `the judge says ${state}`): RolloutVerdict {
  const figures = {
    canaryBad: 0.1,
    controlBad: 0.1,
    interval: null,
    canaryFrames: 10,
    controlFrames: 90,
    framesNeeded: 5,
    eWorse: 1,
    eNotWorse: 1,
    threshold: 20,
  };
  return { state, words, ...figures };
}

function devicesOf(count: number): DeviceId[] {
  return inOrder(
    'salt',
    Array.from({ length: count }, (_, i) => ({ device: `edge-${i}` as DeviceId })),
  ).map(({ device }) => device);
}

/** A rollout with a clock: one second a step, the state through JSON each time, as the store keeps it. */
class Rollout {
  state: RolloutState;
  words: string | null = null;
  commands: RolloutCommand[] = [];
  now = 1_000_000;
  readonly devices: DeviceId[];
  readonly offline = new Set<DeviceId>();

  constructor(deviceCount: number, stages: readonly RolloutStage[] = canaryStages, overrides: Partial<RolloutPolicy> = {}) {
    this.devices = devicesOf(deviceCount);
    this.state = planRollout({ model: 'picker' as ModelName, version, salt: 'salt', stages, policy: { ...policy, ...overrides } }, this.now);
  }

  send(event: RolloutEvent): this {
    this.now += 1000;
    const { state, commands, words } = stepRollout(parseRollout(JSON.parse(JSON.stringify(this.state))), event, this.now, betOnFailure);
    this.state = state;
    this.commands = commands;
    if (words !== null) this.words = words;
    return this;
  }

  look(): this {
    return this.send({ type: 'devices', devices: this.devices.map((device) => ({ device, connected: !this.offline.has(device) })) });
  }

  says(device: DeviceId, what: MemberReport): this {
    return this.send({ type: 'reported', device, report: what });
  }

  hears(state: RolloutVerdict['state']): this {
    return this.send({ type: 'evidence', stageIndex: this.state.stageIndex, verdict: verdict(state) });
  }

  ticks(count: number): this {
    for (let i = 0; i < count; i++) this.send({ type: 'tick' });
    return this;
  }

  assigned(): DeviceId[] {
    return this.commands.flatMap((command) => (command.kind === 'assign' ? [command.device] : []));
  }

  reverted(): DeviceId[] {
    return this.commands.flatMap((command) => (command.kind === 'revert' ? [command.device] : []));
  }

  outcomeOf(device: DeviceId): string | undefined {
    return this.state.members[device]?.outcome;
  }

  /** Through the canary stage up to its judging. */
  toJudge(): this {
    this.send({ type: 'start' }).look();
    return this.says(this.devices[0]!, report.active);
  }
}

test('one device first, then everybody once its evidence is good', () => {
  const rollout = new Rollout(3).send({ type: 'start' });
  expect(rollout.words).toBe('stage 1 of 2 begins');
  rollout.look();
  expect(rollout.assigned()).toEqual([rollout.devices[0]]);
  rollout.says(rollout.devices[0]!, report.working).says(rollout.devices[0]!, report.trial);
  expect(rollout.outcomeOf(rollout.devices[0]!)).toBe('PENDING');
  rollout.says(rollout.devices[0]!, report.active);
  expect(rollout.state.status).toBe('JUDGE');
  expect(rollout.words).toBe('stage 1 of 2 runs on one device; gathering evidence');
  rollout.hears('pending').hears('good');
  expect(rollout.words).toBe('stage 1 of 2 passed: the judge says good');
  rollout.look();
  expect(new Set(rollout.assigned())).toEqual(new Set(rollout.devices.slice(1)));
  rollout.says(rollout.devices[1]!, report.active).says(rollout.devices[2]!, report.active);
  expect(rollout.state.status).toBe('JUDGE');
  rollout.ticks(1);
  expect(rollout.state.status).toBe('COMPLETED');
  expect(rollout.commands).toEqual([{ kind: 'finish', outcome: 'COMPLETED' }]);
  expect(rollout.words).toBe('stage 2 of 2 passed: 3 of 3 devices run it and nothing speaks against it');
});

test.each(['BUNDLE_SIGNATURE_INVALID', 'BUNDLE_DIGEST_MISMATCH', 'KEYSET_INVALID', 'KEYSET_ROLLBACK', 'GOLDEN_MISMATCH'])(
  'one refusal (%s) stops the rollout at once, and every device that was ordered is ordered back',
  (code) => {
    const rollout = new Rollout(5, allAtOnceStages).send({ type: 'start' }).look();
    rollout.says(rollout.devices[0]!, report.active).says(rollout.devices[1]!, report.failed(code));
    expect(rollout.state.status).toBe('ROLLING_BACK');
    expect(new Set(rollout.reverted())).toEqual(new Set(rollout.devices));
    expect(rollout.words).toBe(`rolling back 5 devices: ${rollout.devices[1]} refused version 4 (${code})`);
    for (const device of rollout.devices) if (device !== rollout.devices[1]) rollout.says(device, report.back);
    expect(rollout.state.status).toBe('ROLLED_BACK');
    expect(rollout.commands).toEqual([{ kind: 'finish', outcome: 'ROLLED_BACK' }]);
    expect(rollout.outcomeOf(rollout.devices[1]!)).toBe('FAILED');
    expect(rollout.outcomeOf(rollout.devices[0]!)).toBe('ROLLED_BACK');
  },
);

test('single failed installs are borne, failures beyond chance stop the rollout', () => {
  const rollout = new Rollout(6, allAtOnceStages).send({ type: 'start' }).look();
  rollout.says(rollout.devices[0]!, report.active).says(rollout.devices[1]!, report.failed('DISK_FULL'));
  expect(rollout.state.status).toBe('DISPATCH');
  rollout.says(rollout.devices[2]!, report.failed('PROBATION_FAILED'));
  expect(rollout.state.status).toBe('DISPATCH');
  rollout.says(rollout.devices[3]!, report.failed('PROBATION_FAILED'));
  expect(rollout.state.status).toBe('ROLLING_BACK');
  expect(rollout.words).toMatch(/^rolling back 6 devices: 3 of 4 installs failed; \d+ to 1 against chance$/);
});

test('a version that no device can keep goes back by itself', () => {
  const rollout = new Rollout(3).send({ type: 'start' }).look();
  rollout.says(rollout.devices[0]!, report.failed('PROBATION_FAILED'));
  expect(rollout.state.status).toBe('ROLLED_BACK');
  expect(rollout.reverted()).toEqual([rollout.devices[0]]);
  expect(rollout.words).toContain('no device runs version 4: 1 of 1 installs failed');
});

test('a failure that a later attempt mends still counts as a failed install', () => {
  const rollout = new Rollout(4, allAtOnceStages).send({ type: 'start' }).look();
  rollout.says(rollout.devices[0]!, report.failed('DISK_FULL')).says(rollout.devices[0]!, report.active);
  expect(rollout.outcomeOf(rollout.devices[0]!)).toBe('ACTIVE');
  rollout.says(rollout.devices[1]!, report.failed('DISK_FULL'));
  expect(rollout.state.status).toBe('ROLLING_BACK');
});

test('a device that falls back by itself later counts as failed', () => {
  const rollout = new Rollout(3).toJudge();
  rollout.says(rollout.devices[0]!, report.back);
  expect(rollout.outcomeOf(rollout.devices[0]!)).toBe('FAILED');
  expect(rollout.state.reason).toContain('no device runs version 4');
});

test('bad evidence rolls back, also while paused', () => {
  const judged = new Rollout(3).toJudge().hears('bad');
  expect(judged.state.status).toBe('ROLLING_BACK');
  expect(judged.state.reason).toBe('the judge says bad');
  const paused = new Rollout(3).toJudge().send({ type: 'pause', by: 'ada' }).hears('good');
  expect(paused.state.status).toBe('PAUSED');
  expect(paused.hears('bad').state.status).toBe('ROLLING_BACK');
  expect(paused.reverted()).toEqual([paused.devices[0]]);
});

test('missing evidence never passes: the rollout pauses and waits for a person', () => {
  const rollout = new Rollout(3).toJudge().ticks(4).hears('pending').ticks(1);
  expect(rollout.state.status).toBe('PAUSED');
  expect(rollout.state.reason).toBe('not enough evidence: the judge says pending');
  rollout.ticks(50);
  expect(rollout.state.status).toBe('PAUSED');
  rollout.send({ type: 'resume', by: 'ada' });
  expect(rollout.state).toMatchObject({ status: 'JUDGE', reason: null, pausedFrom: null });
  rollout.ticks(5);
  expect(rollout.state.status).toBe('PAUSED');
  rollout.send({ type: 'approve', by: 'ada' });
  expect(rollout.state).toMatchObject({ status: 'DISPATCH', stageIndex: 1, reason: null });
  expect(rollout.words).toBe('stage 1 of 2 passed: approved by ada without enough evidence');
});

test('evidence of an earlier stage passes no later one', () => {
  const stages: RolloutStage[] = [
    { kind: 'count', devices: 1, gate: 'evidence' },
    { kind: 'share', share: 0.5, gate: 'evidence' },
  ];
  const rollout = new Rollout(4, stages).toJudge().hears('good').look().says(devicesOf(4)[1]!, report.active);
  expect(rollout.state).toMatchObject({ status: 'JUDGE', stageIndex: 1, verdict: null });
  rollout.send({ type: 'evidence', stageIndex: 0, verdict: verdict('good') });
  expect(rollout.state.status).toBe('JUDGE');
  expect(rollout.hears('good').state.status).toBe('COMPLETED');
});

test('a good verdict waits for the bake time', () => {
  const rollout = new Rollout(3, canaryStages, { bakeMs: 3000 }).toJudge().hears('good').ticks(1);
  expect(rollout.state.status).toBe('JUDGE');
  expect(rollout.ticks(1).state).toMatchObject({ status: 'DISPATCH', stageIndex: 1 });
});

test('offline devices never stall a rollout', () => {
  const rollout = new Rollout(4);
  rollout.offline.add(rollout.devices[0]!);
  rollout.send({ type: 'start' }).look();
  expect(rollout.assigned()).toEqual([rollout.devices[1]]);
  rollout.says(rollout.devices[1]!, report.active).hears('good').look();
  expect(new Set(rollout.assigned())).toEqual(new Set([rollout.devices[0], rollout.devices[2], rollout.devices[3]]));
  expect(rollout.outcomeOf(rollout.devices[0]!)).toBe('NOT_REACHED');
  rollout.says(rollout.devices[2]!, report.active).says(rollout.devices[3]!, report.active).ticks(1);
  expect(rollout.state.status).toBe('COMPLETED');
});

test('a canary that vanishes before it began gives its place to another', () => {
  const rollout = new Rollout(3).send({ type: 'start' }).look();
  rollout.offline.add(rollout.devices[0]!);
  rollout.look().look();
  expect(rollout.commands).toEqual([]);
  rollout.look();
  expect(rollout.reverted()).toEqual([rollout.devices[0]]);
  expect(rollout.assigned()).toEqual([rollout.devices[1]]);
  expect(rollout.outcomeOf(rollout.devices[0]!)).toBe('NOT_REACHED');
});

test('a canary that vanishes after it began is lost, keeps its place and counts as a failure', () => {
  const rollout = new Rollout(3).send({ type: 'start' }).look().says(devicesOf(3)[0]!, report.working);
  rollout.offline.add(rollout.devices[0]!);
  rollout.look().look().look();
  expect(rollout.state.status).toBe('ROLLING_BACK');
  expect(rollout.outcomeOf(rollout.devices[0]!)).toBe('LOST');
});

test('a connected device that does not finish has failed', () => {
  const rollout = new Rollout(3).send({ type: 'start' }).look();
  for (let i = 0; i < 4; i++) rollout.look();
  expect(rollout.state.members[rollout.devices[0]!]).toMatchObject({ outcome: 'FAILED', code: 'INSTALL_TIMEOUT' });
});

test('time in which the server slept is held against nobody', () => {
  const rollout = new Rollout(3).toJudge();
  rollout.offline.add(rollout.devices[0]!);
  rollout.now += 24 * 3_600_000;
  rollout.look().ticks(1);
  expect(rollout.state.status).toBe('JUDGE');
  expect(rollout.outcomeOf(rollout.devices[0]!)).toBe('ACTIVE');
});

test('a clock set back stops nothing', () => {
  const rollout = new Rollout(3).toJudge();
  rollout.now = 5000;
  expect(rollout.ticks(6).state.status).toBe('PAUSED');
});

test('with nobody connected the rollout pauses instead of completing', () => {
  const rollout = new Rollout(2);
  for (const device of rollout.devices) rollout.offline.add(device);
  rollout.send({ type: 'start' }).look().ticks(9);
  expect(rollout.state).toMatchObject({ status: 'PAUSED', pausedFrom: 'DISPATCH', reason: 'no device could be reached' });
});

test('going back is incomplete until every device that was reached confirms it', () => {
  const rollout = new Rollout(2, allAtOnceStages).send({ type: 'start' }).look();
  rollout.says(rollout.devices[0]!, report.active).send({ type: 'abort', by: 'ada' }).says(rollout.devices[0]!, report.back).ticks(4);
  expect(rollout.state).toMatchObject({ status: 'ROLLBACK_INCOMPLETE', reason: 'stopped by ada' });
  expect(rollout.commands).toEqual([{ kind: 'finish', outcome: 'ROLLBACK_INCOMPLETE' }]);
  expect(rollout.words).toBe('1 of 2 devices did not confirm going back');
  rollout.says(rollout.devices[1]!, report.active);
  expect(rollout.state.status).toBe('ROLLBACK_INCOMPLETE');
  rollout.says(rollout.devices[1]!, report.back);
  expect(rollout.state.status).toBe('ROLLED_BACK');
});

test('a newer rollout supersedes: nobody keeps a version that was not judged to the end', () => {
  const rollout = new Rollout(3).toJudge().send({ type: 'supersede', version: 5 });
  expect(rollout.state).toMatchObject({ status: 'SUPERSEDED', reason: 'superseded by version 5' });
  expect(rollout.commands).toEqual([
    { kind: 'revert', device: rollout.devices[0] },
    { kind: 'finish', outcome: 'SUPERSEDED' },
  ]);
});

test('where the policy asks for an approval, nothing starts without one', () => {
  const rollout = new Rollout(3, canaryStages, { approval: true }).send({ type: 'start' });
  expect(rollout.state.status).toBe('SCHEDULED');
  expect(rollout.words).toBe('waits for an approval');
  rollout.send({ type: 'approve', by: 'ada' }).send({ type: 'start' });
  expect(rollout.state.status).toBe('DISPATCH');
});

test('orders that make no sense are refused', () => {
  const rollout = new Rollout(3);
  expect(() => rollout.send({ type: 'resume', by: 'ada' })).toThrow(expect.objectContaining({ code: 'ROLLOUT_TRANSITION_UNKNOWN' }));
  rollout.send({ type: 'abort', by: 'ada' });
  expect(rollout.state.status).toBe('ROLLED_BACK');
  expect(() => rollout.send({ type: 'start' })).toThrow(/start in ROLLED_BACK/);
});

test('an unreadable stored state is a fault, not a fresh start', () => {
  const good = new Rollout(1).state;
  expect(() => parseRollout({ ...good, status: 'DONE' })).toThrow(expect.objectContaining({ code: 'MESSAGE_MALFORMED' }));
  expect(() => parseRollout({ ...good, stageIndex: 2 })).toThrow(/no stage of that index/);
  expect(() => parseRollout({ ...good, members: { '../etc': {} } })).toThrow(/rollout/);
});
