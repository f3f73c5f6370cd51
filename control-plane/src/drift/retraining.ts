import { and, count, desc, eq, inArray, isNull, sql } from 'drizzle-orm';
import { takesFrames, type Manifest } from '@serin/protocol/bundle/manifest';
import { asSerinError, SerinError } from '@serin/protocol/errors';
import { recordAudit } from '../audit.ts';
import type { Changes } from '../changes.ts';
import type { Clock } from '../clock.ts';
import { orderSamples } from '../desired/intent.ts';
import { enqueueJob, never, type JobRow } from '../jobs/queue.ts';
import { jobParams } from '../jobs/params.ts';
import type { Log } from '../log.ts';
import { isLearnable } from '../models/labelled.ts';
import { createRounds } from '../rounds.ts';
import type { Service } from '../service.ts';
import { alerts, desired, devices, jobs, models, rollouts, samples, versions } from '../store/schema.ts';
import type { Db, Store } from '../store/store.ts';

export interface RetrainingOptions {
  store: Store;
  changes: Changes;
  clock: Clock;
  log: Log;
  /** Outbox rows have been written. */
  wakePublisher(): void;
  /** Labelled frames asked for before a retraining begins. */
  samplesWanted: number;
  /** Frames per window while collecting, and otherwise. */
  collectPerWindow: number;
  usualPerWindow: number;
  /** Collecting gives up after this. */
  collectLimitMs: number;
  tickMs?: number;
}

const author = 'drift';
const live = ['SCHEDULED', 'DISPATCH', 'JUDGE', 'PAUSED', 'ROLLING_BACK'];

/**
 * Answers an alert over the whole fleet with a retraining: asks the devices for frames, waits until enough labelled ones are
 * there, lets the job run, and rolls its version out. Everything it knows is in rows: alert, job, samples, desired.
 * An alert of a single device is for a person: a dirty lens is not cured by training.
 */
export function createRetraining(options: RetrainingOptions): Service {
  const { store, changes, clock, log, wakePublisher, samplesWanted, collectPerWindow, usualPerWindow, collectLimitMs, tickMs = 1000 } = options;
  const rounds = createRounds({
    pollMs: tickMs,
    work: tick,
    onError: (error) => log.error({ err: asSerinError(error) }, 'retraining could not be looked after'),
  });

  async function tick(): Promise<boolean> {
    await answerAlerts();
    for (const job of await collectingJobs()) await collect(job);
    await endCollecting();
    return false;
  }

  /** Every open alert of the fleet about the version in service gets one job, once; alerts of one model share it. */
  async function answerAlerts(): Promise<void> {
    const open = await store.db
      .select({ alert: alerts, document: versions.document })
      .from(alerts)
      .innerJoin(models, and(eq(models.name, alerts.model), eq(models.champion, alerts.version)))
      .innerJoin(versions, and(eq(versions.model, alerts.model), eq(versions.version, alerts.version)))
      .where(and(eq(alerts.state, 'OPEN'), isNull(alerts.jobId), sql`${alerts.body}->>'scope' = 'fleet'`));
    for (const { alert, document } of open) {
      // Devices send no records: what a table or text model learns next comes from its data, not from here.
      if (!takesFrames(JSON.parse(document.payload) as Pick<Manifest, 'task'>)) continue;
      const { since } = alert.body as { since: number };
      const job = await store.transaction(async (tx) => {
        const busy = await tx.$count(rollouts, and(eq(rollouts.model, alert.model), inArray(rollouts.status, live)));
        if (busy > 0) return undefined;
        const now = clock();
        const [present] = await tx
          .select()
          .from(jobs)
          .where(and(eq(jobs.model, alert.model), eq(jobs.kind, 'retrain'), inArray(jobs.status, ['QUEUED', 'RUNNING'])))
          .orderBy(desc(jobs.createdAt));
        const answer =
          present ??
          (await enqueueJob(
            tx,
            {
              kind: 'retrain',
              model: alert.model,
              params: { seed: 1 + (now % 1_000_000), rollout: true, since, alert: alert.id },
              createdBy: author,
              message: `collecting frames: 0 of ${samplesWanted}`,
              notBefore: never,
            },
            now,
          ));
        await tx.update(alerts).set({ jobId: answer.id }).where(eq(alerts.id, alert.id));
        if (present === undefined) {
          await setSampling(tx, alert.model, collectPerWindow, now);
          await recordAudit(tx, {
            at: now,
            actor: author,
            action: 'job.enqueue',
            subject: answer.id,
            words: `retraining of ${alert.model}: ${alert.statistic} has drifted`,
          });
        }
        return answer;
      });
      if (job === undefined) continue;
      wakePublisher();
      changes.tell({ type: 'alert', id: alert.id });
      changes.tell({ type: 'job', id: job.id });
    }
  }

  async function setSampling(tx: Db, model: string, perWindow: number, now: number): Promise<void> {
    const running = await tx
      .select({ id: devices.id })
      .from(devices)
      .leftJoin(desired, eq(desired.device, devices.id))
      .where(
        sql`${devices.state} = 'ACTIVE' and coalesce(${desired.samplesPerWindow}, 0) <> ${perWindow}
            and ${devices.reported}->'models' @> ${JSON.stringify([{ model }])}::jsonb`,
      );
    for (const { id } of running) await orderSamples(tx, id, perWindow, now);
  }

  async function collectingJobs(): Promise<JobRow[]> {
    return store.db
      .select()
      .from(jobs)
      .where(and(eq(jobs.kind, 'retrain'), eq(jobs.status, 'QUEUED'), eq(jobs.notBefore, never)));
  }

  async function collect(job: JobRow): Promise<void> {
    const { since = 0 } = jobParams.parse(job.params);
    const [found] = await store.db.select({ frames: count() }).from(samples).where(isLearnable(job.model, since));
    const frames = found?.frames ?? 0;
    const stillWaiting = and(eq(jobs.id, job.id), eq(jobs.status, 'QUEUED'));
    const now = clock();
    const message = `collecting frames: ${Math.min(frames, samplesWanted)} of ${samplesWanted}`;
    if (frames >= samplesWanted) await store.db.update(jobs).set({ notBefore: now, stage: 'queue', message: 'waiting for a free worker' }).where(stillWaiting);
    else if (now - job.createdAt > collectLimitMs) {
      const { code, hint } = new SerinError('TRAINING_DATA_INSUFFICIENT');
      const detail = `${frames} of ${samplesWanted} labelled frames came within ${Math.round(collectLimitMs / 1000)} s`;
      await store.db.update(jobs).set({ status: 'FAILED', finishedAt: now, message: detail, error: { code, detail, hint } }).where(stillWaiting);
    } else if (message !== job.message) await store.db.update(jobs).set({ stage: 'collect', message }).where(stillWaiting);
    else return;
    changes.tell({ type: 'job', id: job.id });
  }

  /** Devices send as few frames as before once no retraining of their model waits for more: frames are the largest thing they send. */
  async function endCollecting(): Promise<void> {
    if (usualPerWindow === collectPerWindow) return;
    const wanting = new Set((await collectingJobs()).map(({ model }) => model));
    for (const { name } of await store.db.select({ name: models.name }).from(models)) {
      if (!wanting.has(name)) await store.transaction((tx) => setSampling(tx, name, usualPerWindow, clock()));
    }
    wakePublisher();
  }

  return {
    name: 'retraining',
    start() {
      rounds.start();
      return Promise.resolve();
    },
    stop: () => rounds.stop(),
  };
}
