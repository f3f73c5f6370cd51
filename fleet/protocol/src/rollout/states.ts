import { z } from 'zod/mini';
import { rolloutStatus, rolloutVerdict } from '../api/resources.ts';
import { count, deviceId, modelName, timestampMs, versionNumber, type ModelName } from '../ids.ts';
import { SerinError } from '../errors.ts';

/**
 * What a stage needs before the next one begins. `evidence`: a good verdict on the quality of the version.
 * `installs`: that its devices run it and nothing speaks against it, for stages that leave no control to compare with.
 */
const gate = z.enum(['evidence', 'installs']);

/** How far a stage reaches, counted from the first device: stages only ever grow. */
export const rolloutStage = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('count'), devices: z.int().check(z.gte(1), z.lte(1_000_000)), gate }),
  z.object({ kind: z.literal('share'), share: z.number().check(z.gt(0), z.lte(1)), gate }),
]);
export type RolloutStage = z.infer<typeof rolloutStage>;

const durationMaxMs = 365 * 24 * 3_600_000;
const limitMs = z.int().check(z.gte(1), z.lte(durationMaxMs));

export const reasonLengthMax = 1000;

export const rolloutPolicy = z.object({
  /** A person has to approve before the first device gets it. */
  approval: z.boolean(),
  /** Devices of a stage have this long to settle before the rollout pauses. */
  dispatchLimitMs: limitMs,
  /** A connected device has this long to install. */
  installLimitMs: limitMs,
  /** Silence after which a device that had begun counts as lost, and one that had not as not reached. */
  lostAfterMs: limitMs,
  /** A stage is judged no sooner than this. */
  bakeMs: z.int().check(z.gte(0), z.lte(durationMaxMs)),
  /** A stage without enough evidence pauses after this. */
  evidenceLimitMs: limitMs,
  /** Devices have this long to go back. */
  rollbackLimitMs: limitMs,
  /** Longest gap between two looks that counts as watching: time in which the server slept is nobody's fault. */
  gapLimitMs: limitMs,
  /** Share of installs that fail anyway. */
  usualInstallFailures: z.number().check(z.gt(0), z.lt(0.95)),
});
export type RolloutPolicy = z.infer<typeof rolloutPolicy>;

export const usualPolicy: RolloutPolicy = {
  approval: false,
  dispatchLimitMs: 2 * 3_600_000,
  installLimitMs: 30 * 60_000,
  lostAfterMs: 15 * 60_000,
  bakeMs: 30 * 60_000,
  evidenceLimitMs: 24 * 3_600_000,
  rollbackLimitMs: 3_600_000,
  gapLimitMs: 60_000,
  usualInstallFailures: 0.05,
};

export const memberOutcome = z.enum(['PENDING', 'ACTIVE', 'FAILED', 'LOST', 'NOT_REACHED', 'ROLLED_BACK']);
export type MemberOutcome = z.infer<typeof memberOutcome>;

export const memberState = z.object({
  stage: count,
  outcome: memberOutcome,
  code: z.nullable(z.string().check(z.maxLength(64))),
  /** Its desired document names the version; false once it was taken back. */
  assigned: z.boolean(),
  /** It has reported work on the version. */
  began: z.boolean(),
  /** It counts as a failed install for good, even if a later attempt succeeds. */
  failed: z.boolean(),
  /** Whether it runs the version, by its last report since the last order; null before that. */
  running: z.nullable(z.boolean()),
  /** Watched time since its order, and since it was last heard of. */
  waitedMs: count,
  silentMs: count,
});
export type MemberState = z.infer<typeof memberState>;

export const rolloutState = z
  .object({
    model: modelName,
    version: versionNumber,
    /** Decides, with the device, who comes first. */
    salt: z.string().check(z.minLength(1), z.maxLength(64)),
    status: rolloutStatus,
    stageIndex: count,
    stages: z.array(rolloutStage).check(z.minLength(1), z.maxLength(16)),
    policy: rolloutPolicy,
    approved: z.boolean(),
    members: z.record(deviceId, memberState),
    /** No connected device is left to assign in this stage. */
    filled: z.boolean(),
    /** The latest verdict since the present stage began to be judged. */
    verdict: z.nullable(rolloutVerdict),
    pausedFrom: z.nullable(z.enum(['SCHEDULED', 'DISPATCH', 'JUDGE'])),
    reason: z.nullable(z.string().check(z.maxLength(reasonLengthMax))),
    /** Time of the last step, and the watched time spent in the present status. */
    steppedAt: timestampMs,
    elapsedMs: count,
    /** Time of the last look at the devices; null before the first. */
    watchedAt: z.nullable(timestampMs),
  })
  .check(z.refine((state) => state.stageIndex < state.stages.length, { error: 'there is no stage of that index' }));
export type RolloutState = z.infer<typeof rolloutState>;

export interface RolloutPlan {
  model: ModelName;
  version: number;
  salt: string;
  stages: readonly RolloutStage[];
  policy?: Partial<RolloutPolicy>;
}

/** One device first, then everybody. */
export const canaryStages: readonly RolloutStage[] = [
  { kind: 'count', devices: 1, gate: 'evidence' },
  { kind: 'share', share: 1, gate: 'installs' },
];

export const allAtOnceStages: readonly RolloutStage[] = [{ kind: 'share', share: 1, gate: 'installs' }];

export function planRollout({ policy, stages, ...plan }: RolloutPlan, now: number): RolloutState {
  return parseRollout({
    ...plan,
    stages: [...stages],
    policy: { ...usualPolicy, ...policy },
    status: 'SCHEDULED',
    stageIndex: 0,
    approved: false,
    members: {},
    filled: false,
    verdict: null,
    pausedFrom: null,
    reason: null,
    steppedAt: now,
    elapsedMs: 0,
    watchedAt: null,
  });
}

/** Reads a stored state; an unreadable one is a fault, never a fresh start. */
export function parseRollout(stored: unknown): RolloutState {
  const parsed = rolloutState.safeParse(stored);
  if (!parsed.success) throw new SerinError('MESSAGE_MALFORMED', { detail: `rollout: ${z.prettifyError(parsed.error)}` });
  return parsed.data;
}
