import type { ErrorCode } from '../errors.ts';
import type { DeviceId } from '../ids.ts';
import type { MemberReport } from './events.ts';
import type { MemberState, RolloutPolicy, RolloutState } from './states.ts';

/** Refusals that every device will repeat, or that say somebody tampered: one is enough to stop. */
const refusals: ReadonlySet<string> = new Set<ErrorCode>([
  'SIGNATURE_INVALID',
  'BUNDLE_SIGNATURE_INVALID',
  'BUNDLE_DIGEST_MISMATCH',
  'BUNDLE_MANIFEST_INVALID',
  'BUNDLE_WRONG_FLEET',
  'KEYSET_INVALID',
  'KEYSET_ROLLBACK',
  'MODEL_LOAD_FAILED',
  'GOLDEN_MISMATCH',
]);

export function isRefusal(code: string | null): boolean {
  return code !== null && refusals.has(code);
}

/** `constructor` is a legal device id, so never look a member up through the prototype. */
export function memberOf(state: RolloutState, device: DeviceId): MemberState | undefined {
  return Object.hasOwn(state.members, device) ? state.members[device] : undefined;
}

export function membersOf(state: RolloutState): [DeviceId, MemberState][] {
  return Object.entries(state.members) as [DeviceId, MemberState][];
}

export function mapMembers(state: RolloutState, change: (member: MemberState, device: DeviceId) => MemberState): RolloutState {
  return { ...state, members: Object.fromEntries(membersOf(state).map(([device, member]) => [device, change(member, device)])) };
}

export function setMember(state: RolloutState, device: DeviceId, member: MemberState): RolloutState {
  return { ...state, members: { ...state.members, [device]: member } };
}

export function newMember(stage: number, connected: boolean): MemberState {
  return {
    stage,
    outcome: connected ? 'PENDING' : 'NOT_REACHED',
    code: null,
    assigned: true,
    began: false,
    failed: false,
    running: null,
    waitedMs: 0,
    silentMs: 0,
  };
}

/** What a report of an assigned device says about its install. */
export function noteReport(member: MemberState, report: MemberReport, version: number): MemberState {
  const running = report.active?.version === version;
  const ended = report.last?.version === version ? report.last : undefined;
  const heard = { ...member, running, silentMs: 0, began: member.began || report.phase !== 'IDLE' };
  if (running && (report.phase === 'IDLE' || ended?.outcome === 'COMMITTED')) return { ...heard, outcome: 'ACTIVE', code: null };
  if (!running && ended !== undefined && ended.outcome !== 'COMMITTED') {
    return { ...heard, outcome: 'FAILED', failed: true, code: ended.code ?? ended.outcome };
  }
  if (!running && member.outcome === 'ACTIVE') return { ...heard, outcome: 'FAILED', failed: true, code: 'NOT_RUNNING' };
  return member.outcome === 'NOT_REACHED' ? { ...heard, outcome: 'PENDING', waitedMs: 0 } : heard;
}

/** Lets watched time pass over a member; `gapMs` since the last look. */
export function noteTime(member: MemberState, connected: boolean, gapMs: number, policy: RolloutPolicy): MemberState {
  if (!member.assigned) return member;
  if (member.outcome === 'NOT_REACHED') return connected ? { ...member, outcome: 'PENDING', waitedMs: 0, silentMs: 0 } : member;
  const aged = { ...member, waitedMs: member.waitedMs + gapMs, silentMs: connected ? 0 : member.silentMs + gapMs };
  const silent = aged.silentMs >= policy.lostAfterMs && !connected;
  if (aged.outcome === 'ACTIVE' && silent) return { ...aged, outcome: 'LOST', failed: true, code: 'LOST' };
  if (aged.outcome !== 'PENDING') return aged;
  if (silent) return aged.began ? { ...aged, outcome: 'LOST', failed: true, code: 'LOST' } : { ...aged, outcome: 'NOT_REACHED' };
  const late = aged.waitedMs >= policy.installLimitMs + (connected ? 0 : policy.lostAfterMs);
  return late ? { ...aged, outcome: 'FAILED', failed: true, code: 'INSTALL_TIMEOUT' } : aged;
}

/** After the order to go back: only a report made since then counts, except where the install failed on the device. */
export function orderBack(member: MemberState): MemberState {
  const stayed = member.outcome === 'FAILED' && member.running === false;
  return stayed ? member : { ...member, running: null };
}

export function noteWayBack(member: MemberState, report: MemberReport, version: number): MemberState {
  const running = report.active?.version === version;
  return { ...member, running, outcome: running || member.outcome === 'FAILED' ? member.outcome : 'ROLLED_BACK' };
}

/** Still owes an answer to the order to go back; devices that were never reached find that order when they come. */
export function owesWayBack(member: MemberState): boolean {
  if (!member.assigned || member.running === false) return false;
  return member.outcome !== 'NOT_REACHED' || member.running === true;
}

export interface Tally {
  /** Devices that take a place of the stage. */
  slots: number;
  pending: number;
  active: number;
  /** Installs that ended, and how many of them failed. */
  settled: number;
  failures: number;
}

export function tallyMembers(state: RolloutState): Tally {
  const members = membersOf(state).map(([, member]) => member);
  const taking = members.filter((member) => member.assigned && member.outcome !== 'NOT_REACHED');
  const failures = members.filter((member) => member.failed).length;
  const flawless = taking.filter((member) => member.outcome === 'ACTIVE' && !member.failed).length;
  return {
    slots: taking.length,
    pending: taking.filter((member) => member.outcome === 'PENDING').length,
    active: taking.filter((member) => member.outcome === 'ACTIVE').length,
    settled: failures + flawless,
    failures,
  };
}
