import type { RolloutStatus } from '../api/resources.ts';
import { SerinError } from '../errors.ts';
import type { RolloutCommand, RolloutEvent, RolloutEventType } from './events.ts';
import {
  isRefusal,
  mapMembers,
  memberOf,
  membersOf,
  newMember,
  noteReport,
  noteTime,
  noteWayBack,
  orderBack,
  owesWayBack,
  setMember,
  tallyMembers,
} from './members.ts';
import { inOrder } from './order.ts';
import { reasonLengthMax, type RolloutState } from './states.ts';
import { findTransition, liveStatuses, type RolloutAction } from './transitions.ts';

/** E-value against "installs fail with at most the usual probability"; the server passes the one of the statistics. */
export type InstallFailureE = (failures: number, installs: number, usualRate: number) => number;

/** Evidence at which installs count as failing too often: one wrong abort in twenty rollouts at most. */
const INSTALL_E_LIMIT = 20;

export interface RolloutStep {
  state: RolloutState;
  commands: RolloutCommand[];
  /** What was decided and why, for people; null when nothing was. */
  words: string | null;
}

interface Draft {
  state: RolloutState;
  commands: RolloutCommand[];
  words: string[];
}

/**
 * The rollout, decided purely. The caller keeps the state, the commands and the words in one transaction.
 * Events may come twice or late; an event that the table does not know in this state throws.
 */
export function stepRollout(state: RolloutState, event: RolloutEvent, now: number, installFailureE: InstallFailureE): RolloutStep {
  const transition = findTransition(state.status, event.type);
  if (transition.do === 'ignore') return { state, commands: [], words: null };
  const act = actions[transition.do] as (draft: Draft, event: RolloutEvent, now: number) => Draft;
  const acted = act({ state: passTime(state, now), commands: [], words: [] }, event, now);
  const decided = settle(abortIfBad(acted, installFailureE), event.type);
  if (!transition.to.includes(decided.state.status)) {
    throw new SerinError('ROLLOUT_TRANSITION_UNKNOWN', { detail: `${event.type} in ${state.status} led to ${decided.state.status}` });
  }
  return { ...decided, words: decided.words.length === 0 ? null : decided.words.join('; ') };
}

type EventOf<T extends RolloutEventType> = Extract<RolloutEvent, { type: T }>;

const actions = {
  sign: (draft: Draft, event: EventOf<'approve'>) => say({ ...draft, state: { ...draft.state, approved: true } }, `approved by ${event.by}`),
  begin: (draft: Draft) =>
    draft.state.policy.approval && !draft.state.approved
      ? say(draft, 'waits for an approval')
      : say(enter(draft, 'DISPATCH'), `${stageName(draft.state)} begins`),
  fill: (draft: Draft, event: EventOf<'devices'>, now: number) => assignStage(watchDevices(draft, event, now), event),
  watch: watchDevices,
  note: noteMember,
  weigh: (draft: Draft, event: EventOf<'evidence'>) => {
    const concerns = event.stageIndex === draft.state.stageIndex || event.verdict.state === 'bad';
    return concerns ? { ...draft, state: { ...draft.state, verdict: event.verdict } } : draft;
  },
  wait: (draft: Draft) => draft,
  hold: (draft: Draft, event: EventOf<'pause'>) => pause(draft, `paused by ${event.by}`),
  continue: (draft: Draft, event: EventOf<'resume'>) => {
    const resumed = enter(draft, draft.state.pausedFrom ?? 'SCHEDULED');
    return say({ ...resumed, state: { ...resumed.state, pausedFrom: null, reason: null } }, `resumed by ${event.by}`);
  },
  override: (draft: Draft, event: EventOf<'approve'>) =>
    draft.state.pausedFrom === 'JUDGE'
      ? pass(draft, `approved by ${event.by} without enough evidence`)
      : say(draft, 'there is nothing to approve: the stage is not being judged'),
  goBack: (draft: Draft, event: EventOf<'abort'>) => rollBack(draft, `stopped by ${event.by}`),
  giveWay: (draft: Draft, event: EventOf<'supersede'>) => {
    const reason = `superseded by version ${event.version}`;
    return finish(say(revertAll({ ...draft, state: { ...draft.state, reason } }), reason), 'SUPERSEDED');
  },
  confirm: (draft: Draft, event: EventOf<'reported'>) => {
    const member = memberOf(draft.state, event.device);
    if (member === undefined) return draft;
    return { ...draft, state: setMember(draft.state, event.device, noteWayBack(member, event.report, draft.state.version)) };
  },
} satisfies Record<Exclude<RolloutAction, 'ignore'>, (draft: Draft, event: never, now: number) => Draft>;

// --- time and words

function watchedGap(since: number, now: number, state: RolloutState): number {
  return Math.min(Math.max(now - since, 0), state.policy.gapLimitMs);
}

function passTime(state: RolloutState, now: number): RolloutState {
  return { ...state, steppedAt: now, elapsedMs: state.elapsedMs + watchedGap(state.steppedAt, now, state) };
}

function say(draft: Draft, words: string): Draft {
  return { ...draft, words: [...draft.words, words] };
}

function stageName({ stageIndex, stages }: RolloutState): string {
  return `stage ${stageIndex + 1} of ${stages.length}`;
}

function countOf(devices: number): string {
  return devices === 1 ? 'one device' : `${devices} devices`;
}

// --- devices

function watchDevices(draft: Draft, event: EventOf<'devices'>, now: number): Draft {
  const { state } = draft;
  const gapMs = watchedGap(state.watchedAt ?? now, now, state);
  const connected = new Set(event.devices.filter((entry) => entry.connected).map((entry) => entry.device));
  const aged = mapMembers({ ...state, watchedAt: now }, (member, device) => noteTime(member, connected.has(device), gapMs, state.policy));
  return coversEverybody(state) ? { ...draft, state: aged } : releaseUnreached({ ...draft, state: aged });
}

function coversEverybody({ stages, stageIndex }: RolloutState): boolean {
  const stage = stages[stageIndex]!;
  return stage.kind === 'share' && stage.share === 1;
}

/** A device that never answered gives its place to another; otherwise those that return would outgrow the stage. */
function releaseUnreached(draft: Draft): Draft {
  const released = membersOf(draft.state).filter(([, member]) => member.assigned && member.outcome === 'NOT_REACHED');
  const state = released.reduce((next, [device, member]) => setMember(next, device, { ...member, assigned: false }), draft.state);
  const commands = released.map(([device]): RolloutCommand => ({ kind: 'revert', device }));
  return { ...draft, state, commands: [...draft.commands, ...commands] };
}

/** Devices the present stage reaches, of those eligible now. */
export function stageReach(state: RolloutState, eligible: number): number {
  const stage = state.stages[state.stageIndex]!;
  return stage.kind === 'count' ? Math.min(stage.devices, eligible) : Math.ceil(stage.share * eligible);
}

/** Connected devices first come, in the rollout's order; offline ones are ordered only once everybody is. */
function assignStage(draft: Draft, event: EventOf<'devices'>): Draft {
  const everybody = coversEverybody(draft.state);
  const free = event.devices.filter(({ device, connected }) => {
    const assigned = memberOf(draft.state, device)?.assigned ?? false;
    return !assigned && (connected || everybody);
  });
  const places = everybody ? free.length : Math.max(stageReach(draft.state, event.devices.length) - tallyMembers(draft.state).slots, 0);
  const chosen = inOrder(draft.state.salt, free).slice(0, places);
  const { stageIndex, version } = draft.state;
  const added = Object.fromEntries(chosen.map(({ device, connected }) => [device, newMember(stageIndex, connected)]));
  const assigned: Draft = {
    ...draft,
    state: { ...draft.state, members: { ...draft.state.members, ...added }, filled: true },
    commands: [...draft.commands, ...chosen.map(({ device }): RolloutCommand => ({ kind: 'assign', device, version }))],
  };
  return chosen.length === 0 ? assigned : say(assigned, `${stageName(draft.state)}: version ${version} ordered for ${countOf(chosen.length)}`);
}

function noteMember(draft: Draft, event: EventOf<'reported'>): Draft {
  const member = memberOf(draft.state, event.device);
  if (member === undefined || !member.assigned) return draft;
  const noted = noteReport(member, event.report, draft.state.version);
  return { ...draft, state: setMember(draft.state, event.device, noted) };
}

// --- decisions

function abortIfBad(draft: Draft, installFailureE: InstallFailureE): Draft {
  const { state } = draft;
  if (!liveStatuses.has(state.status) || state.status === 'SCHEDULED') return draft;
  const refused = membersOf(state).find(([, member]) => member.failed && isRefusal(member.code));
  if (refused !== undefined) return rollBack(draft, `${refused[0]} refused version ${state.version} (${refused[1].code})`);
  if (state.verdict?.state === 'bad') return rollBack(draft, state.verdict.words);
  const { settled, failures, active, pending } = tallyMembers(state);
  const e = installFailureE(failures, settled, state.policy.usualInstallFailures);
  if (!(e < INSTALL_E_LIMIT)) return rollBack(draft, `${failures} of ${settled} installs failed; ${Math.floor(e)} to 1 against chance`);
  if (failures > 0 && active === 0 && pending === 0)
    return rollBack(draft, `no device runs version ${state.version}: ${failures} of ${settled} installs failed`);
  return draft;
}

/** Whether the status is over. Limits of time run out on ticks only, so a fact never does two things at once. */
function settle(draft: Draft, cause: RolloutEventType): Draft {
  switch (draft.state.status) {
    case 'DISPATCH':
      return settleDispatch(draft, cause);
    case 'JUDGE':
      return settleJudgement(draft, cause);
    case 'ROLLING_BACK':
    case 'ROLLBACK_INCOMPLETE':
      return settleWayBack(draft, cause);
    default:
      return draft;
  }
}

function settleDispatch(draft: Draft, cause: RolloutEventType): Draft {
  const { filled, elapsedMs, policy } = draft.state;
  const { active, pending, slots } = tallyMembers(draft.state);
  if (filled && active > 0 && pending === 0) {
    const judging = enter(draft, 'JUDGE');
    return say({ ...judging, state: { ...judging.state, verdict: null } }, `${stageName(draft.state)} runs on ${countOf(active)}; gathering evidence`);
  }
  if (cause !== 'tick' || elapsedMs < policy.dispatchLimitMs) return draft;
  return pause(draft, slots === 0 ? 'no device could be reached' : `${pending} of ${slots} devices did not settle in time`);
}

/** Only evidence and time promote: a report or a heartbeat can stop a stage, never pass it. */
function settleJudgement(draft: Draft, cause: RolloutEventType): Draft {
  if (cause !== 'tick' && cause !== 'evidence') return draft;
  const { verdict, elapsedMs, policy, stages, stageIndex } = draft.state;
  if (elapsedMs < policy.bakeMs) return draft;
  const { active, slots } = tallyMembers(draft.state);
  if (active > 0 && stages[stageIndex]!.gate === 'installs') return pass(draft, `${active} of ${countOf(slots)} run it and nothing speaks against it`);
  if (active > 0 && verdict?.state === 'good') return pass(draft, verdict.words);
  if (cause !== 'tick' || elapsedMs < policy.evidenceLimitMs) return draft;
  return pause(draft, `not enough evidence: ${verdict?.words ?? 'none has come'}`);
}

function settleWayBack(draft: Draft, cause: RolloutEventType): Draft {
  const { state } = draft;
  const ordered = membersOf(state).filter(([, member]) => member.assigned && member.outcome !== 'NOT_REACHED');
  const owing = ordered.filter(([, member]) => owesWayBack(member));
  if (owing.length === 0) return finish(say(draft, `rolled back ${countOf(ordered.length)}`), 'ROLLED_BACK');
  if (cause !== 'tick' || state.elapsedMs < state.policy.rollbackLimitMs) return draft;
  return finish(say(draft, `${owing.length} of ${countOf(ordered.length)} did not confirm going back`), 'ROLLBACK_INCOMPLETE');
}

// --- changes of status

function enter(draft: Draft, status: RolloutStatus): Draft {
  return { ...draft, state: { ...draft.state, status, elapsedMs: 0, filled: false } };
}

function pause(draft: Draft, reason: string): Draft {
  const from = draft.state.status;
  if (from !== 'SCHEDULED' && from !== 'DISPATCH' && from !== 'JUDGE') return draft;
  const paused = enter(draft, 'PAUSED');
  return say({ ...paused, state: { ...paused.state, pausedFrom: from, reason: reason.slice(0, reasonLengthMax) } }, reason);
}

function pass(draft: Draft, why: string): Draft {
  const { stageIndex, stages } = draft.state;
  const passed = say({ ...draft, state: { ...draft.state, pausedFrom: null, reason: null } }, `${stageName(draft.state)} passed: ${why}`);
  if (stageIndex + 1 >= stages.length) return finish(passed, 'COMPLETED');
  const next = enter(passed, 'DISPATCH');
  return { ...next, state: { ...next.state, stageIndex: stageIndex + 1 } };
}

function revertAll(draft: Draft): Draft {
  const reverts = membersOf(draft.state).flatMap(([device, member]): RolloutCommand[] => (member.assigned ? [{ kind: 'revert', device }] : []));
  return { ...draft, commands: [...draft.commands, ...reverts] };
}

function rollBack(draft: Draft, reason: string): Draft {
  const ordered = revertAll(enter(draft, 'ROLLING_BACK'));
  const state = { ...mapMembers(ordered.state, orderBack), pausedFrom: null, reason: reason.slice(0, reasonLengthMax) };
  const assigned = membersOf(state).filter(([, member]) => member.assigned).length;
  if (assigned === 0) return finish(say({ ...ordered, state }, `stopped before any device: ${reason}`), 'ROLLED_BACK');
  return say({ ...ordered, state }, `rolling back ${countOf(assigned)}: ${reason}`);
}

function finish(draft: Draft, outcome: Extract<RolloutCommand, { kind: 'finish' }>['outcome']): Draft {
  const ended = enter(draft, outcome);
  return { ...ended, commands: [...ended.commands, { kind: 'finish', outcome }] };
}
