import { expect, test } from 'vitest';
import { deviceId, modelName } from '@serin/protocol/ids';
import { newMember } from '@serin/protocol/rollout/members';
import { canaryStages, planRollout } from '@serin/protocol/rollout/states';
import { stepRollout } from '@serin/protocol/rollout/step';
import type { RolloutEvent } from '@serin/protocol/rollout/events';
import { reportsOf, type Fleet } from './engine.ts';

const ada = deviceId.parse('ada');
const picker = modelName.parse('picker');

function fleetOf(online: boolean, reportedAt: number): Fleet {
  const reported = {
    v: 1,
    boot: 'b',
    seq: 0,
    ts: 0,
    rev: 1,
    models: [{ model: picker, phase: 'IDLE', active: { version: 2, manifest: '', variant: 'u8s8' } }],
  };
  return [{ id: ada, online, reported, reportedAt, rev: 1, isCurrent: true }] as unknown as Fleet;
}

test('a device that went silent is told once with its last report, and then counts as lost', () => {
  const policy = { lostAfterMs: 10_000, bakeMs: 0 };
  let state = planRollout({ model: picker, version: 2, salt: 's', stages: canaryStages, policy }, 0);
  state = { ...state, status: 'JUDGE', members: { [ada]: { ...newMember(0, true), outcome: 'ACTIVE' } } };
  let now = 1_000;
  const look = (fleet: Fleet): void => {
    const events: RolloutEvent[] = [
      { type: 'devices', devices: fleet.map(({ id, online }) => ({ device: id, connected: online })) },
      ...reportsOf(state, fleet),
    ];
    for (const event of events) if (state.status === 'JUDGE') state = stepRollout(state, event, now, () => 0).state;
    now += 1_000;
  };
  expect(reportsOf({ ...state, watchedAt: 500 }, fleetOf(false, 600))).toHaveLength(1);
  expect(reportsOf({ ...state, watchedAt: 500 }, fleetOf(false, 400))).toHaveLength(0);
  look(fleetOf(true, 900));
  expect(state.members[ada]?.outcome).toBe('ACTIVE');
  for (let round = 0; round < 15 && state.status === 'JUDGE'; round++) look(fleetOf(false, 900));
  expect(state.members[ada]).toMatchObject({ outcome: 'LOST', failed: true });
});
