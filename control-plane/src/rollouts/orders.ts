import { randomUUID } from 'node:crypto';
import { and, eq, inArray } from 'drizzle-orm';
import { z } from 'zod/mini';
import { SerinError } from '@serin/protocol/errors';
import type { ModelName } from '@serin/protocol/ids';
import { allAtOnceStages, canaryStages, planRollout, type RolloutPolicy, type RolloutStage } from '@serin/protocol/rollout/states';
import { acceptsEvent, liveStatuses } from '@serin/protocol/rollout/transitions';
import type { RolloutEvent } from '@serin/protocol/rollout/events';
import { recordAudit } from '../audit.ts';
import type { Changes } from '../changes.ts';
import type { Clock } from '../clock.ts';
import type { VersionRow } from '../models/publish.ts';
import { models, rollouts, versions } from '../store/schema.ts';
import type { Db, Store } from '../store/store.ts';
import { applyEvents, lockRollout, type RolloutRow } from './apply.ts';

export interface RolloutOrders {
  store: Store;
  changes: Changes;
  clock: Clock;
  policy: RolloutPolicy;
  /** Outbox rows have been written. */
  wakePublisher(): void;
}

export interface NewRollout {
  model: ModelName;
  version: number;
  strategy: 'canary' | 'all-at-once';
  by: string;
}

/** Where there is nothing to compare with, or nothing that is counted: one device first, and nothing may speak against it. */
const unjudgedStages: readonly RolloutStage[] = [
  { kind: 'count', devices: 1, gate: 'installs' },
  { kind: 'share', share: 1, gate: 'installs' },
];

const tensorTask = z.object({ task: z.literal('tensor') });

function stagesFor(strategy: NewRollout['strategy'], version: VersionRow, previous: number | null): readonly RolloutStage[] {
  if (strategy === 'all-at-once') return allAtOnceStages;
  // Models of bare tensors are served, but no frames of theirs are counted.
  const isCounted = z.safeParse(tensorTask, JSON.parse(version.document.payload)).success === false;
  return isCounted && previous !== null && previous !== version.version ? canaryStages : unjudgedStages;
}

/** Plans a rollout in the caller's transaction; older ones of the same model give way. */
export async function insertRollout(tx: Db, orders: RolloutOrders, { model, version, strategy, by }: NewRollout): Promise<RolloutRow> {
  const now = orders.clock();
  const [wanted] = await tx
    .select()
    .from(versions)
    .where(and(eq(versions.model, model), eq(versions.version, version)));
  if (wanted === undefined) throw new SerinError('NOT_FOUND', { detail: `${model} version ${version}` });
  const [owner] = await tx.select().from(models).where(eq(models.name, model)).for('update');
  const previous = owner?.champion ?? null;
  const older = await tx
    .select({ id: rollouts.id })
    .from(rollouts)
    .where(and(eq(rollouts.model, model), inArray(rollouts.status, [...liveStatuses])));
  for (const { id } of older) {
    const row = await lockRollout(tx, id);
    if (row !== undefined) await applyEvents(tx, row, [{ type: 'supersede', version }], now);
  }
  const id = randomUUID();
  const salt = randomUUID();
  const state = planRollout({ model, version, salt, stages: stagesFor(strategy, wanted, previous), policy: orders.policy }, now);
  const words =
    previous === null
      ? `version ${version} is the first of ${model}: there is nothing to compare it with`
      : `version ${version} is to follow version ${previous}`;
  const [row] = await tx
    .insert(rollouts)
    .values({
      id,
      model,
      version,
      previous,
      status: state.status,
      cas: 1,
      state,
      history: [{ at: now, status: state.status, words }],
      createdAt: now,
      createdBy: by,
      updatedAt: now,
    })
    .returning();
  if (row === undefined) throw new Error('an insert returned no row');
  await recordAudit(tx, { at: now, actor: by, action: 'rollout.start', subject: id, words: `${model} version ${version}, ${strategy}` });
  return { ...row, state };
}

export async function startRollout(orders: RolloutOrders, request: NewRollout): Promise<string> {
  const { id } = await orders.store.transaction((tx) => insertRollout(tx, orders, request));
  orders.wakePublisher();
  orders.changes.tell({ type: 'rollout', id });
  return id;
}

type Order = Extract<RolloutEvent, { type: 'pause' | 'resume' | 'abort' | 'approve' }>;

/** A person's order to a rollout; refused where it makes no sense. */
export async function orderRollout(orders: RolloutOrders, id: string, order: Order): Promise<void> {
  await orders.store.transaction(async (tx) => {
    const row = await lockRollout(tx, id);
    if (row === undefined) throw new SerinError('NOT_FOUND', { detail: `rollout ${id}` });
    const status = row.state.status;
    if (!acceptsEvent(status, order.type)) throw new SerinError('CONFLICT', { detail: `the rollout is ${status}, which takes no "${order.type}"` });
    const now = orders.clock();
    await recordAudit(tx, {
      at: now,
      actor: order.by,
      action: `rollout.${order.type}`,
      subject: id,
      words: `${row.model} version ${row.version} while ${status}`,
    });
    await applyEvents(tx, row, [order], now);
  });
  orders.wakePublisher();
  orders.changes.tell({ type: 'rollout', id });
}
