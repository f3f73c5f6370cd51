import type { RolloutVerdict } from '../api/resources.ts';
import type { DeviceId } from '../ids.ts';
import type { UpdateOutcome, UpdatePhase } from '../messages/reported.ts';

/** The part of a device's report that a rollout reads; a ReportedModel fits. */
export interface MemberReport {
  phase: UpdatePhase;
  active?: { version: number } | undefined;
  last?: { version: number; outcome: UpdateOutcome; code?: string | undefined } | undefined;
}

/** Facts may arrive in every state; orders come from people and are refused where they make no sense. */
export type RolloutEvent =
  /** Everybody eligible, connected or not. Send it again and again: it is also the heartbeat. */
  | { type: 'devices'; devices: readonly { device: DeviceId; connected: boolean }[] }
  /** Only reports that answer the rollout's last order to the device: `reported.rev` not below that desired revision. */
  | { type: 'reported'; device: DeviceId; report: MemberReport }
  | { type: 'evidence'; stageIndex: number; verdict: RolloutVerdict }
  | { type: 'tick' }
  | { type: 'approve'; by: string }
  | { type: 'start' }
  | { type: 'pause'; by: string }
  | { type: 'resume'; by: string }
  | { type: 'abort'; by: string }
  | { type: 'supersede'; version: number };

export type RolloutEventType = RolloutEvent['type'];

export type RolloutCommand =
  | { kind: 'assign'; device: DeviceId; version: number }
  /** Back to what the device should run without this rollout. */
  | { kind: 'revert'; device: DeviceId }
  | { kind: 'finish'; outcome: 'COMPLETED' | 'ROLLED_BACK' | 'ROLLBACK_INCOMPLETE' | 'SUPERSEDED' };
