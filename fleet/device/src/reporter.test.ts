import { expect, test } from 'vitest';
import { SerinError } from '@serin/protocol/errors';
import { digest, modelName } from '@serin/protocol/ids';
import type { Reported, UpdatePhase } from '@serin/protocol/messages/reported';
import type { Unsent } from './ports.ts';
import { Reporter } from './reporter.ts';
import { VirtualClock } from './testing/virtual-clock.ts';

function startReporter(refuse: () => void = () => {}) {
  const clock = new VirtualClock();
  const told: Unsent<Reported>[] = [];
  const state = { phase: 'IDLE' as UpdatePhase, progress: 0 };
  const link = {
    start: async () => {},
    stop: async () => {},
    sendSample: async () => {},
    sendWindows: async () => {},
    report: async (message: Unsent<Reported>) => {
      refuse();
      told.push(message);
    },
  };
  const compose = (): Unsent<Reported> => ({
    rev: 1,
    models: [
      { model: modelName.parse('picker'), phase: state.phase, target: { version: 1, manifest: digest.parse('a'.repeat(64)), progress: state.progress } },
    ],
  });
  const reporter = new Reporter({ link, clock, compose, intervalMs: 200, progressIntervalMs: 1_000 });
  reporter.start();
  return { clock, told, state, reporter };
}

const phasesOf = (told: readonly Unsent<Reported>[]) => told.map(({ models }) => models[0]?.phase);

test('nothing is told while the connection is down, everything new once it is up', async () => {
  const { clock, told, state, reporter } = startReporter();
  state.phase = 'DOWNLOADING';
  reporter.changed();
  await clock.advance(5_000);
  expect(told).toEqual([]);
  reporter.connected(true);
  await clock.advance(1);
  expect(phasesOf(told)).toEqual(['DOWNLOADING']);
  await reporter.stop();
});

test('the same is told once, unless it is asked for or the connection is a new one', async () => {
  const { clock, told, reporter } = startReporter();
  reporter.connected(true);
  await clock.advance(1_000);
  for (let round = 0; round < 5; round++) {
    reporter.changed();
    await clock.advance(1_000);
  }
  expect(told).toHaveLength(1);
  reporter.want();
  await clock.advance(1_000);
  reporter.connected(false);
  reporter.connected(true);
  await clock.advance(1_000);
  expect(told).toHaveLength(3);
  await reporter.stop();
});

test('phases that follow each other quickly are told in one report, the last of them in any case', async () => {
  const { clock, told, state, reporter } = startReporter();
  reporter.connected(true);
  await clock.advance(1_000);
  for (const phase of ['DOWNLOADING', 'VERIFYING', 'STAGED', 'WARMUP', 'PROVISIONAL'] as const) {
    state.phase = phase;
    reporter.changed();
    await clock.advance(20);
  }
  await clock.advance(1_000);
  expect(phasesOf(told)).toEqual(['IDLE', 'DOWNLOADING', 'PROVISIONAL']);
  await reporter.stop();
});

test('progress alone is told once a second', async () => {
  const { clock, told, state, reporter } = startReporter();
  state.phase = 'DOWNLOADING';
  reporter.connected(true);
  for (let step = 1; step <= 50; step++) {
    state.progress = step / 50;
    reporter.changed();
    await clock.advance(100);
  }
  await clock.advance(2_000);
  expect(told.length).toBeLessThanOrEqual(7);
  expect(told.at(-1)?.models[0]?.target?.progress).toBe(1);
  await reporter.stop();
});

test('a report that did not arrive is told again', async () => {
  let failures = 2;
  const { clock, told, reporter } = startReporter(() => {
    if (failures-- > 0) throw new SerinError('BROKER_UNREACHABLE');
  });
  reporter.connected(true);
  await clock.advance(5_000);
  expect(told).toHaveLength(1);
  await reporter.stop();
});
