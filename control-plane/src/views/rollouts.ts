import { and, desc, eq, inArray } from 'drizzle-orm';
import type { Rollout } from '@serin/protocol/api/resources';
import { rollout as rolloutResource } from '@serin/protocol/api/resources';
import { stageReach } from '@serin/protocol/rollout/step';
import { parseRollout, type RolloutState } from '@serin/protocol/rollout/states';
import { liveStatuses } from '@serin/protocol/rollout/transitions';
import { devices, rollouts } from '../store/schema.ts';
import type { Db } from '../store/store.ts';

type RolloutRow = typeof rollouts.$inferSelect;

function stageLabel(state: RolloutState, index: number): string {
  const stage = state.stages[index];
  if (stage === undefined) return '';
  if (stage.kind === 'count') return stage.devices === 1 ? 'one device' : `${stage.devices} devices`;
  return stage.share === 1 ? 'everybody' : `${Math.round(stage.share * 100)} %`;
}

function stagesOf(state: RolloutState, fleetSize: number): Rollout['stages'] {
  const members = Object.values(state.members);
  const isOver = state.status === 'COMPLETED';
  return state.stages.map((_, index) => ({
    label: stageLabel(state, index),
    devices:
      index <= state.stageIndex
        ? members.filter((member) => member.stage === index).length
        : Math.max(stageReach({ ...state, stageIndex: index }, fleetSize) - members.length, 0),
    state: isOver || index < state.stageIndex ? 'done' : index === state.stageIndex ? 'now' : 'planned',
  }));
}

function viewRollout(row: RolloutRow, fleetSize: number): Rollout {
  const state = parseRollout(row.state);
  const latest = row.history.at(-1);
  return rolloutResource.parse({
    id: row.id,
    model: row.model,
    version: row.version,
    previous: row.previous,
    status: row.status,
    stageIndex: state.stageIndex,
    stages: stagesOf(state, fleetSize),
    words: latest?.words ?? 'scheduled',
    reason: state.reason,
    verdict: row.verdict ?? null,
    members: Object.entries(state.members).map(([device, member]) => ({ device, stage: member.stage, outcome: member.outcome, code: member.code })),
    createdAt: row.createdAt,
    createdBy: row.createdBy,
    updatedAt: row.updatedAt,
    finishedAt: row.finishedAt,
    history: row.history,
  });
}

const countFleet = (db: Db): Promise<number> => db.$count(devices, eq(devices.state, 'ACTIVE'));

export async function listRollouts(db: Db, { limit, model }: { limit: number; model?: string | undefined }): Promise<Rollout[]> {
  const rows = await db
    .select()
    .from(rollouts)
    .where(model === undefined ? undefined : eq(rollouts.model, model))
    .orderBy(desc(rollouts.createdAt), desc(rollouts.id))
    .limit(limit);
  const fleetSize = await countFleet(db);
  return rows.map((row) => viewRollout(row, fleetSize));
}

export async function findRollout(db: Db, id: string): Promise<Rollout | undefined> {
  const [row] = await db.select().from(rollouts).where(eq(rollouts.id, id));
  return row === undefined ? undefined : viewRollout(row, await countFleet(db));
}

export async function countLiveRollouts(db: Db): Promise<number> {
  return db.$count(rollouts, and(inArray(rollouts.status, [...liveStatuses, 'ROLLING_BACK'])));
}
