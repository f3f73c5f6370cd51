import { and, asc, eq, inArray, isNotNull, notExists, sql } from 'drizzle-orm';
import { asSerinError } from '@serin/protocol/errors';
import { deviceId, modelName } from '@serin/protocol/ids';
import type { RolloutVerdict } from '@serin/protocol/api/resources';
import type { RolloutEvent } from '@serin/protocol/rollout/events';
import { membersOf } from '@serin/protocol/rollout/members';
import type { RolloutState } from '@serin/protocol/rollout/states';
import type { Log } from '../log.ts';
import { createRounds } from '../rounds.ts';
import type { Service } from '../service.ts';
import { desired, devices, jobs, rollouts } from '../store/schema.ts';
import type { Db } from '../store/store.ts';
import { applyEvents, lockRollout, type RolloutRow } from './apply.ts';
import { blockLengthMs, judgeRollout, type EvidenceSettings } from './evidence.ts';
import { insertRollout, type RolloutOrders } from './orders.ts';

export interface RolloutEngineOptions extends RolloutOrders {
  evidence: EvidenceSettings;
  log: Log;
  tickMs?: number;
}

const watched = ['SCHEDULED', 'DISPATCH', 'JUDGE', 'PAUSED', 'ROLLING_BACK', 'ROLLBACK_INCOMPLETE'];
const gatherMs = 100;
/** Statuses in which evidence can change anything. */
const judged: ReadonlySet<string> = new Set(['DISPATCH', 'JUDGE', 'PAUSED']);

/** Everybody who could run a model, with what they say of themselves and whether that answers their newest order. */
async function readFleet(tx: Db) {
  const rows = await tx
    .select({ id: devices.id, online: devices.online, reported: devices.reported, reportedAt: devices.reportedAt, rev: desired.rev })
    .from(devices)
    .leftJoin(desired, eq(desired.device, devices.id))
    .where(and(eq(devices.state, 'ACTIVE'), sql`${devices.hello}->>'class' <> 'browser'`))
    .orderBy(asc(devices.id));
  return rows.map((row) => ({ ...row, id: deviceId.parse(row.id), isCurrent: row.reported !== null && row.reported.rev >= (row.rev ?? 0) }));
}

export type Fleet = Awaited<ReturnType<typeof readFleet>>;

export function reportsOf(state: RolloutState, fleet: Fleet): RolloutEvent[] {
  return fleet.flatMap((device): RolloutEvent[] => {
    if (!device.isCurrent || !Object.hasOwn(state.members, device.id)) return [];
    // A report counts as a sign of life, so what a device said before it went silent is told once and not again.
    const isNews = device.online || (device.reportedAt ?? 0) > (state.watchedAt ?? 0);
    if (!isNews) return [];
    const report = device.reported?.models.find(({ model }) => model === state.model);
    // A device that was told to drop the model reports nothing of it any more.
    return [{ type: 'reported', device: device.id, report: report ?? { phase: 'IDLE' } }];
  });
}

/**
 * Drives every rollout from rows: each round tells it who is there, what they report, what the evidence says and what time
 * it is. Nothing that matters is remembered between rounds, so a restart changes nothing.
 */
export function createRolloutEngine(options: RolloutEngineOptions): Service {
  const { store, changes, clock, log, wakePublisher, evidence, tickMs = 1000 } = options;
  let unlisten: () => void = () => {};
  let gathering: NodeJS.Timeout | undefined;

  /** Evidence changes when a block is over or the arms change; asking at every message would cost more than everything else. */
  const verdicts = new Map<string, { asked: string; verdict: RolloutVerdict }>();
  async function verdictOf(tx: Db, row: RolloutRow, previous: number, fleet: Fleet, now: number): Promise<RolloutVerdict> {
    const { state } = row;
    const assigned = new Set(membersOf(state).flatMap(([device, member]) => (member.assigned ? [device] : [])));
    const hasControl = state.stageIndex > 0 || fleet.some(({ id, online }) => online && !assigned.has(id));
    const asked = `${Math.floor(now / blockLengthMs(evidence.windowMs))} ${state.stageIndex} ${assigned.size} ${hasControl}`;
    const known = verdicts.get(row.id);
    if (known?.asked === asked) return known.verdict;
    const verdict = await judgeRollout(tx, { state, previous, since: row.createdAt, now, hasControl }, evidence);
    verdicts.set(row.id, { asked, verdict });
    return verdict;
  }

  async function eventsOf(tx: Db, row: RolloutRow, fleet: Fleet, now: number): Promise<RolloutEvent[]> {
    const { state } = row;
    const events: RolloutEvent[] = [];
    if (state.status === 'SCHEDULED') {
      if (!state.policy.approval || state.approved) events.push({ type: 'start' });
      return events;
    }
    events.push({ type: 'devices', devices: fleet.map(({ id, online }) => ({ device: id, connected: online })) });
    events.push(...reportsOf(state, fleet));
    if (judged.has(state.status) && row.previous !== null && row.previous !== row.version) {
      const verdict = await verdictOf(tx, row, row.previous, fleet, now);
      events.push({ type: 'evidence', stageIndex: state.stageIndex, verdict });
    }
    events.push({ type: 'tick' });
    return events;
  }

  /** One rollout, one transaction. */
  async function drive(id: string): Promise<void> {
    const applied = await store.transaction(async (tx) => {
      const row = await lockRollout(tx, id);
      if (row === undefined) return undefined;
      const now = clock();
      return applyEvents(tx, row, await eventsOf(tx, row, await readFleet(tx), now), now);
    });
    if (applied?.hasOrders === true) wakePublisher();
    if (applied?.changed === true) changes.tell({ type: 'rollout', id });
  }

  /** Versions that jobs were asked to roll out when they are made. */
  async function startFromJobs(): Promise<void> {
    const made = await store.db
      .select()
      .from(jobs)
      .where(
        and(
          eq(jobs.status, 'SUCCEEDED'),
          isNotNull(jobs.version),
          sql`${jobs.params}->>'rollout' = 'true'`,
          notExists(
            store.db
              .select({ one: sql`1` })
              .from(rollouts)
              .where(and(eq(rollouts.model, jobs.model), eq(rollouts.version, jobs.version))),
          ),
        ),
      );
    for (const job of made) {
      if (job.version === null) continue;
      const { version } = job;
      const row = await store.transaction(async (tx) => {
        const known = await tx.$count(rollouts, and(eq(rollouts.model, job.model), eq(rollouts.version, version)));
        return known > 0 ? undefined : insertRollout(tx, options, { model: modelName.parse(job.model), version, strategy: 'canary', by: job.createdBy });
      });
      if (row !== undefined) changes.tell({ type: 'rollout', id: row.id });
    }
  }

  const rounds = createRounds({
    pollMs: tickMs,
    async work() {
      await startFromJobs();
      const open = await store.db
        .select({ id: rollouts.id, status: rollouts.status })
        .from(rollouts)
        .where(inArray(rollouts.status, watched))
        .orderBy(asc(rollouts.createdAt));
      const isOpen = new Set(open.map(({ id }) => id));
      for (const id of verdicts.keys()) if (!isOpen.has(id)) verdicts.delete(id);
      for (const { id } of open) {
        try {
          await drive(id);
        } catch (error) {
          log.error({ rolloutId: id, err: asSerinError(error) }, 'rollout held: it could not be driven');
        }
      }
      return false;
    },
    onError: (error) => log.error({ err: asSerinError(error) }, 'rollouts could not be looked after'),
  });

  return {
    name: 'rollouts',
    start() {
      unlisten = changes.listen((change) => {
        if (change.type !== 'device' && change.type !== 'job' && change.type !== 'rollout') return;
        // A large fleet always has news; rounds need not come faster than this.
        gathering ??= setTimeout(() => {
          gathering = undefined;
          rounds.wake();
        }, gatherMs);
      });
      rounds.start();
      return Promise.resolve();
    },
    async stop() {
      unlisten();
      clearTimeout(gathering);
      gathering = undefined;
      await rounds.stop();
    },
  };
}
