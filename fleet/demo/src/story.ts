import { setTimeout } from 'node:timers/promises';
import type { ApiClient } from '@serin/protocol/api/client';
import { modelName } from '@serin/protocol/ids';
import type { Rollout } from '@serin/protocol/api/resources';

export interface StoryOptions {
  api: ApiClient;
  say: (line: string) => void;
  signal: AbortSignal;
}

const model = modelName.parse('picker');
const calmMs = 20_000;
const chapterMs = 240_000;
const finished = new Set(['COMPLETED', 'ROLLED_BACK', 'ROLLBACK_INCOMPLETE', 'SUPERSEDED']);

/**
 * The story of the product on one cell: the light changes, drift rises and says so, a retraining answers it,
 * its version spreads from one device to all, and a bad version is thrown back. Everything it tells is read from the API.
 */
export async function tellStory({ api, say, signal }: StoryOptions): Promise<void> {
  const pause = (durationMs: number): Promise<void> => setTimeout(durationMs, undefined, { signal }).catch(() => {});

  /** Looks once a second until it finds what the chapter waits for; says so and goes on when it does not come. */
  async function waitFor<Found>(what: string, look: () => Promise<Found | undefined>): Promise<Found | undefined> {
    const until = performance.now() + chapterMs;
    while (performance.now() < until && !signal.aborted) {
      const found = await look().catch(() => undefined);
      if (found !== undefined) return found;
      await pause(1000);
    }
    if (!signal.aborted) say(`the story stops here: ${what} did not come within ${chapterMs / 1000} s; the console shows why`);
    return undefined;
  }

  async function follow(id: string): Promise<Rollout | undefined> {
    let told = 0;
    return waitFor('the end of the rollout', async () => {
      const rollout = await api('getRollout', { params: { id } });
      for (const { words } of rollout.history.slice(told)) say(`  rollout of version ${rollout.version}: ${words}`);
      told = rollout.history.length;
      return finished.has(rollout.status) ? rollout : undefined;
    });
  }

  await pause(calmMs);
  if (signal.aborted) return;
  const dimmedAt = Date.now();
  say('the light over the bins changes: dimmer and warmer');
  await api('demoLight', { body: { level: 0.3, warmth: 0.8 } });

  const alert = await waitFor('an alert', async () => (await api('listAlerts', { query: { state: 'OPEN' } })).items.find((item) => item.openedAt >= dimmedAt));
  if (alert === undefined) return;
  say(`alert after ${((alert.openedAt - dimmedAt) / 1000).toFixed(0)} s: ${alert.words}`);

  const retraining = await waitFor('the retraining', async () =>
    (await api('listJobs', { query: {} })).items.find((job) => job.kind === 'retrain' && job.createdAt >= dimmedAt),
  );
  if (retraining === undefined) return;
  say('the alert started a retraining on pictures of bins that the devices sent along, with the parts that lie in them');
  let said = '';
  const trained = await waitFor('the end of the retraining', async () => {
    const job = await api('getJob', { params: { id: retraining.id } });
    const isStep = job.stage === 'train' || job.stage === 'collect';
    const step = `${job.stage} ${isStep ? Math.floor(job.fraction * 4) : job.message}`;
    if (step !== said) say(`  ${job.stage || 'queued'}: ${job.message}`);
    said = step;
    return job.finishedAt === null ? undefined : job;
  });
  if (trained === undefined) return;
  if (trained.version === null) {
    say(`  the retraining ended as ${trained.status}: ${trained.error?.detail ?? ''}`);
    return;
  }
  const spread = await waitFor('the rollout', async () =>
    (await api('listRollouts', { query: { model } })).items.find((item) => item.version === trained.version),
  );
  if (spread === undefined || (await follow(spread.id)) === undefined) return;

  await pause(calmMs / 2);
  if (signal.aborted) return;
  say('a version that misbehaves is published, validly signed');
  const misbehaving = await publish('misbehaving');
  if (misbehaving === undefined || (await follow(misbehaving.id)) === undefined) return;

  await pause(calmMs / 2);
  if (signal.aborted) return;
  say('a version that was tampered with after it was signed is published');
  const corrupted = await publish('corrupted');
  if (corrupted === undefined || (await follow(corrupted.id)) === undefined) return;
  say('the story is told; the Demo menu of the console repeats any of it');

  async function publish(kind: 'misbehaving' | 'corrupted'): Promise<Rollout | undefined> {
    try {
      return await api('demoPublish', { body: { kind } });
    } catch (error) {
      say(`  it could not be published: ${(error as Error).message}`);
      return undefined;
    }
  }
}
