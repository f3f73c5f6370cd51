import { and, eq } from 'drizzle-orm';
import { SerinError } from '@serin/protocol/errors';
import type { RolloutCommand, RolloutEvent } from '@serin/protocol/rollout/events';
import { parseRollout, type RolloutState } from '@serin/protocol/rollout/states';
import { stepRollout } from '@serin/protocol/rollout/step';
import { installFailureE } from '@serin/stats/e-values';
import { recordAudit } from '../audit.ts';
import { orderVersion, withdrawModel } from '../desired/intent.ts';
import { models, rollouts } from '../store/schema.ts';
import type { Db } from '../store/store.ts';

export type RolloutRow = Omit<typeof rollouts.$inferSelect, 'state'> & { state: RolloutState };

const historyMax = 200;
const author = 'rollout';

/** The row with its state parsed, held until the transaction ends. */
export async function lockRollout(tx: Db, id: string): Promise<RolloutRow | undefined> {
  const [row] = await tx.select().from(rollouts).where(eq(rollouts.id, id)).for('update');
  return row === undefined ? undefined : { ...row, state: parseRollout(row.state) };
}

/** Carries out what a step decided, in its transaction. Ends with whether an order to a device was written. */
async function carryOut(tx: Db, row: RolloutRow, commands: readonly RolloutCommand[], now: number): Promise<boolean> {
  let hasOrders = false;
  for (const command of commands) {
    switch (command.kind) {
      case 'assign':
        await orderVersion(tx, command.device, row.model, command.version, now);
        hasOrders = true;
        break;
      case 'revert':
        if (row.previous === null) await withdrawModel(tx, command.device, row.model, now);
        else await orderVersion(tx, command.device, row.model, row.previous, now);
        hasOrders = true;
        break;
      case 'finish':
        if (command.outcome === 'COMPLETED') await tx.update(models).set({ champion: row.version }).where(eq(models.name, row.model));
        break;
    }
  }
  return hasOrders;
}

export interface Applied {
  changed: boolean;
  /** Orders to devices wait in the outbox. */
  hasOrders: boolean;
}

/** Steps through events and keeps what comes of them: state, history, orders and audit, all or nothing. */
export async function applyEvents(tx: Db, row: RolloutRow, events: readonly RolloutEvent[], now: number): Promise<Applied> {
  let { state } = row;
  let hasOrders = false;
  let isOver = row.finishedAt !== null;
  const history = [...row.history];
  for (const event of events) {
    const step = stepRollout(state, event, now, installFailureE);
    state = step.state;
    hasOrders = (await carryOut(tx, row, step.commands, now)) || hasOrders;
    if (step.words !== null && history.at(-1)?.words !== step.words) history.push({ at: now, status: state.status, words: step.words });
    const goesBack = step.commands.some((command) => command.kind === 'revert');
    const end = step.commands.find((command) => command.kind === 'finish');
    if (end !== undefined) {
      isOver = true;
      await recordAudit(tx, {
        at: now,
        actor: author,
        action: 'rollout.finish',
        subject: row.id,
        words: `${row.model} version ${row.version} ${end.outcome}: ${step.words ?? ''}`,
      });
    }
    // What devices said so far answers the orders before; the next round reads what they say to these.
    if (goesBack) break;
  }
  const isTold =
    state.status !== row.state.status || history.length !== row.history.length || JSON.stringify(state.verdict) !== JSON.stringify(row.state.verdict);
  const written = await tx
    .update(rollouts)
    .set({
      state,
      status: state.status,
      // The verdict that decided stays on show after the state has moved on.
      ...(state.verdict === null ? {} : { verdict: state.verdict }),
      history: history.slice(-historyMax),
      cas: row.cas + 1,
      ...(isTold ? { updatedAt: now } : {}),
      finishedAt: isOver ? (row.finishedAt ?? now) : null,
    })
    .where(and(eq(rollouts.id, row.id), eq(rollouts.cas, row.cas)))
    .returning({ id: rollouts.id });
  if (written.length !== 1) throw new SerinError('CONFLICT', { detail: `rollout ${row.id} was changed meanwhile` });
  return { changed: isTold, hasOrders };
}
