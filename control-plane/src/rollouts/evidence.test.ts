import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { deviceId, modelName } from '@serin/protocol/ids';
import { canaryStages, planRollout, type RolloutState } from '@serin/protocol/rollout/states';
import { windows } from '../store/schema.ts';
import { openTestStore, type TestStore } from '../store/testing.ts';
import { blockLengthMs, judgeRollout } from './evidence.ts';

const rule = { alpha: 0.05, delta: 0.02, margin: 0.1, minFrames: 100 };
const windowMs = 1000;
const since = 1_000_000;
const picker = modelName.parse('picker');
let store: TestStore;

beforeAll(async () => {
  store = await openTestStore();
}, 60_000);
afterAll(() => store.close());
beforeEach(async () => {
  await store.db.delete(windows);
});

function stateWith(members: readonly string[]): RolloutState {
  const state = planRollout({ model: picker, version: 2, salt: 's', stages: canaryStages }, since);
  const member = { stage: 0, outcome: 'ACTIVE' as const, code: null, assigned: true, began: true, failed: false, running: true, waitedMs: 0, silentMs: 0 };
  return { ...state, status: 'JUDGE', members: Object.fromEntries(members.map((id) => [deviceId.parse(id), member])) };
}

let seq = 0;
/** One window a second of one device. */
async function fill(device: string, version: number, from: number, count: number, bad: number): Promise<void> {
  await store.db.insert(windows).values(
    Array.from({ length: count }, (_, index) => {
      const toAt = from + index * windowMs;
      return {
        device,
        boot: 'b',
        seq: seq++,
        model: picker,
        version,
        fromAt: toAt - windowMs,
        toAt,
        receivedAt: toAt,
        run: 20,
        bad,
        judged: 20,
        wrong: bad,
        body: new Uint8Array(),
      };
    }),
  );
}

const question = (state: RolloutState, hasControl: boolean, now: number) => ({ state, previous: 1, since, now, hasControl });

test('a canary that is as good as its control is promoted, one that is worse is thrown back', async () => {
  await fill('cam-1', 2, since + 2000, 60, 1);
  await fill('cam-2', 1, since, 60, 1);
  await fill('cam-3', 1, since, 60, 1);
  const now = since + 80_000;
  const good = await judgeRollout(store.db, question(stateWith(['cam-1']), true, now), { rule, windowMs });
  expect(good).toMatchObject({ state: 'good', canaryFrames: 60 * 20 });
  await store.db.delete(windows);
  await fill('cam-1', 2, since + 2000, 60, 14);
  await fill('cam-2', 1, since, 60, 1);
  expect(await judgeRollout(store.db, question(stateWith(['cam-1']), true, now), { rule, windowMs })).toMatchObject({ state: 'bad' });
});

test('without any control frames it stays undecided: missing evidence is never a pass', async () => {
  await fill('cam-1', 2, since + 2000, 60, 0);
  const verdict = await judgeRollout(store.db, question(stateWith(['cam-1']), true, since + 80_000), { rule, windowMs });
  expect(verdict).toMatchObject({ state: 'pending', controlBad: null });
});

test('a device alone is compared with its own past, and the words say so', async () => {
  await fill('cam-1', 1, since - 80_000, 80, 1);
  await fill('cam-1', 2, since + 2000, 60, 1);
  const verdict = await judgeRollout(store.db, question(stateWith(['cam-1']), false, since + 80_000), { rule, windowMs });
  expect(verdict.state).toBe('good');
  expect(verdict.words).toContain('its own past');
});

test('frames of other devices on the new version, of earlier rollouts and of blocks still open do not count', async () => {
  const now = since + 10_000;
  await fill('cam-9', 2, since + 2000, 5, 20);
  await fill('cam-1', 2, since - 50_000, 10, 20);
  await fill('cam-1', 2, now - blockLengthMs(windowMs) / 4, 1, 20);
  const verdict = await judgeRollout(store.db, question(stateWith(['cam-1']), true, now), { rule, windowMs });
  expect(verdict.canaryFrames).toBe(0);
});
