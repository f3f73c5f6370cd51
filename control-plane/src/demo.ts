import { asc, desc, isNotNull } from 'drizzle-orm';
import { asSerinError, isErrorCode, SerinError } from '@serin/protocol/errors';
import { modelName, type ModelName } from '@serin/protocol/ids';
import type { Changes } from './changes.ts';
import type { Clock } from './clock.ts';
import { writeFileDurably } from '@serin/node/files';
import { enqueueJob, findJob, type JobRow } from './jobs/queue.ts';
import { publishTampered, type LocateBlob } from './models/tampered.ts';
import type { PublishContext } from './models/publish.ts';
import { models } from './store/schema.ts';
import type { Store } from './store/store.ts';

/** The controls of the demo: what goes wrong in a real hall, at the press of a button. */
export interface Demo {
  setLight(light: { level: number; warmth: number }): Promise<void>;
  /** Publishes a version that is bad in that way and rolls it out; returns the rollout. */
  publish(kind: 'misbehaving' | 'corrupted' | 'wrong-signature', actor: string): Promise<string>;
}

export interface DemoOptions {
  store: Store;
  changes: Changes;
  clock: Clock;
  publishing: PublishContext;
  locateBlob: LocateBlob;
  /** The file that synthetic cameras read their light from. */
  sceneFile: string | undefined;
  startRollout(request: { model: ModelName; version: number; strategy: 'canary' }, actor: string): Promise<string>;
}

const spoilLimitMs = 25_000;

export function createDemo({ store, changes, clock, publishing, locateBlob, sceneFile, startRollout }: DemoOptions): Demo {
  /** The model that serves; with several, the newest. */
  async function servingModel(): Promise<ModelName> {
    const [row] = await store.db
      .select({ name: models.name })
      .from(models)
      .where(isNotNull(models.champion))
      .orderBy(desc(models.createdAt), asc(models.name))
      .limit(1);
    if (row === undefined) throw new SerinError('CONFLICT', { detail: 'no version is in service yet', hint: 'Wait for the first training to be rolled out' });
    return modelName.parse(row.name);
  }

  /** Jobs run in their own process; the hint of their end comes by `changes`. */
  async function ended(id: string): Promise<JobRow> {
    const deadline = AbortSignal.timeout(spoilLimitMs);
    for (;;) {
      const job = await findJob(store.db, id);
      if (job === undefined) throw new SerinError('NOT_FOUND', { detail: `job ${id}` });
      if (job.finishedAt !== null) return job;
      if (deadline.aborted)
        throw new SerinError('UNAVAILABLE', {
          detail: 'the bad version is still being made',
          hint: 'Another job may be running; look at the jobs and try again',
        });
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, 500);
        const unlisten = changes.listen((change) => {
          if (change.type === 'job' && change.id === id) done();
        });
        function done(): void {
          clearTimeout(timer);
          unlisten();
          resolve();
        }
      });
    }
  }

  async function spoil(model: ModelName, actor: string): Promise<number> {
    const job = await store.transaction((tx) =>
      enqueueJob(tx, { kind: 'spoil', model, params: { seed: clock() % 1_000_000, rollout: false }, createdBy: actor }, clock()),
    );
    changes.tell({ type: 'job', id: job.id });
    const { version, error } = await ended(job.id);
    if (version !== null) return version;
    throw new SerinError(error !== null && isErrorCode(error.code) ? error.code : 'JOB_FAILED', { detail: error?.detail ?? 'the job was cancelled' });
  }

  return {
    async setLight(light) {
      if (sceneFile === undefined) throw new SerinError('NOT_FOUND', { detail: 'no scene file is set', hint: 'Start the server with --demo-scene' });
      try {
        await writeFileDurably(sceneFile, JSON.stringify(light), 0o644);
      } catch (error) {
        throw asSerinError(error);
      }
    },
    async publish(kind, actor) {
      const model = await servingModel();
      const version = kind === 'misbehaving' ? await spoil(model, actor) : (await publishTampered(publishing, locateBlob, model, kind, actor)).version;
      return startRollout({ model, version, strategy: 'canary' }, actor);
    },
  };
}
