import { sql } from 'drizzle-orm';
import type { RolloutVerdict } from '@serin/protocol/api/resources';
import type { RolloutState } from '@serin/protocol/rollout/states';
import { judgeCanary, type CanaryRule } from '@serin/stats/canary';
import type { Block } from '@serin/stats/e-values';
import { selectRows, type Db } from '../store/store.ts';

export interface EvidenceSettings {
  rule: CanaryRule;
  windowMs: number;
}

export interface EvidenceQuestion {
  state: RolloutState;
  previous: number;
  /** Windows that came before the rollout began are not about it. */
  since: number;
  now: number;
  /** Whether any device is left that the canary can be compared with. */
  hasControl: boolean;
}

interface BlockRow {
  block: string | number;
  version: number;
  is_member: boolean;
  frames: string | number;
  bad: string | number;
}

/** Blocks of own history that a canary without control is compared with. */
const pastBlocksMax = 500;
const usualRateFloor = 0.002;

/** Two windows a block, so that a verdict is not asked anew for every message. */
export const blockLengthMs = (windowMs: number): number => Math.max(2_000, 2 * windowMs);

/** Sums of windows by block, version and arm; a block counts once it is over and its windows had time to come. */
async function readBlocks(db: Db, { state, previous, since, now }: EvidenceQuestion, blockMs: number): Promise<BlockRow[]> {
  const members = Object.entries(state.members).flatMap(([device, member]) => (member.assigned ? [device] : []));
  if (members.length === 0) return [];
  const list = sql.join(
    members.map((device) => sql`${device}`),
    sql`, `,
  );
  const earliest = since - pastBlocksMax * blockMs;
  return selectRows<BlockRow>(
    db,
    sql`select block, version, is_member, sum(run) as frames, sum(bad) as bad from (
          select to_at / ${blockMs}::bigint as block, version, device in (${list}) as is_member, run, bad, received_at
          from windows where model = ${state.model} and version in (${state.version}, ${previous}) and to_at >= ${earliest} and received_at < ${now - blockMs / 2}
        ) as sized
        where block < ${Math.floor(now / blockMs) - 1}
          and ((version = ${state.version} and is_member and received_at >= ${since}) or version = ${previous})
        group by block, version, is_member order by block`,
  );
}

const counts = (row: BlockRow | undefined) => ({ n: Number(row?.frames ?? 0), bad: Number(row?.bad ?? 0) });

/**
 * Canary and control side by side in the same blocks of time. Whoever still runs the version before is control, also a device
 * that gets the new one later: what was learnt in the first stage is kept when the next one leaves no control.
 */
function pairByTime(rows: readonly BlockRow[], version: number, since: number, blockMs: number): Block[] {
  const first = Math.floor(since / blockMs);
  const blocks = new Map<number, Block>();
  for (const row of rows) {
    const block = Number(row.block);
    if (block < first) continue;
    const sums = blocks.get(block) ?? { treated: { n: 0, bad: 0 }, control: { n: 0, bad: 0 } };
    const arm = row.version === version ? sums.treated : sums.control;
    arm.n += Number(row.frames);
    arm.bad += Number(row.bad);
    blocks.set(block, sums);
  }
  return [...blocks]
    .filter(([, { treated }]) => treated.n > 0)
    .sort(([a], [b]) => a - b)
    .map(([, block]) => block);
}

/** The canary against its own past, block by block, the newest past first. */
function pairWithPast(rows: readonly BlockRow[], version: number): Block[] {
  const treated = rows.filter((row) => row.version === version);
  const past = rows.filter((row) => row.version !== version && row.is_member).reverse();
  return treated.slice(0, past.length).map((row, index) => ({ treated: counts(row), control: counts(past[index]) }));
}

/** Share of bad frames before the rollout: a better guess means a quicker verdict, a wrong one never a false one. */
function usualRate(rows: readonly BlockRow[], version: number, since: number, blockMs: number): number {
  const before = rows.filter((row) => row.version !== version && Number(row.block) < Math.floor(since / blockMs));
  const [frames, bad] = before.reduce(([n, k], row) => [n + Number(row.frames), k + Number(row.bad)], [0, 0]);
  return Math.min(Math.max((bad + 1) / (frames + 100), usualRateFloor), 0.5);
}

export async function judgeRollout(db: Db, question: EvidenceQuestion, { rule, windowMs }: EvidenceSettings): Promise<RolloutVerdict> {
  const blockMs = blockLengthMs(windowMs);
  const rows = await readBlocks(db, question, blockMs);
  const { version } = question.state;
  const guessed = { ...rule, usualRate: usualRate(rows, version, question.since, blockMs) };
  if (question.hasControl) return judgeCanary(pairByTime(rows, version, question.since, blockMs), guessed);
  const verdict = judgeCanary(pairWithPast(rows, version), guessed);
  return { ...verdict, words: `${verdict.words} (no other device to compare with: compared with its own past)` };
}
