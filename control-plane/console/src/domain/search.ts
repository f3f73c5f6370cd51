import { columnRole, datasetKind } from '@serin/protocol/api/datasets';
import { runStatus } from '@serin/protocol/api/runs';
import { columnSorts, type ColumnQuery } from './data-view.ts';
import { sortKeys, stateFilters, type DeviceQuery } from './device-table.ts';
import type { RunsQuery } from './run-view.ts';

/** Search parameters are typed by hand-typed links as well: what is not understood is dropped, never an error. */
type Raw = Record<string, unknown>;

const text = (value: unknown, most = 64): string | undefined => {
  const read = typeof value === 'number' ? String(value) : value;
  return typeof read === 'string' && read !== '' ? read.slice(0, most) : undefined;
};
const oneOf = <Word extends string>(value: unknown, words: readonly Word[]): Word | undefined => words.find((word) => word === value);
const whole = (value: unknown): number | undefined => {
  const read = Number(value);
  return Number.isInteger(read) && read >= 1 && read <= 1_000_000_000 ? read : undefined;
};
/** Leaves absent keys absent, so that addresses stay short. */
function present<Shape extends object>(shape: Shape): Partial<{ [Key in keyof Shape]: Exclude<Shape[Key], undefined> }> {
  return Object.fromEntries(Object.entries(shape).filter(([, value]) => value !== undefined)) as never;
}

export interface ShellSearch {
  /** The jobs drawer: `all`, or the id of one job. */
  jobs?: string;
}
export const parseShellSearch = (raw: Raw): ShellSearch => present({ jobs: text(raw.jobs) });

export type DevicesSearch = { [Key in keyof DeviceQuery]?: Exclude<DeviceQuery[Key], undefined> };
export function parseDevicesSearch(raw: Raw): DevicesSearch {
  return present({
    q: text(raw.q),
    state: oneOf(raw.state, stateFilters),
    site: text(raw.site),
    version: text(raw.version, 12),
    sort: oneOf(raw.sort, sortKeys),
    desc: raw.desc === true || raw.desc === 'true' ? true : undefined,
  });
}

export const spans = ['5m', '15m', 'all'] as const;
export type Span = (typeof spans)[number];
export interface DeviceSearch {
  span?: Span;
}
export const parseDeviceSearch = (raw: Raw): DeviceSearch => present({ span: oneOf(raw.span, spans) });

export interface ModelsSearch {
  model?: string;
  version?: number;
}
export const parseModelsSearch = (raw: Raw): ModelsSearch => present({ model: text(raw.model), version: whole(raw.version) });

export const rolloutFilters = ['live', 'ended'] as const;
export interface RolloutsSearch {
  show?: (typeof rolloutFilters)[number];
}
export const parseRolloutsSearch = (raw: Raw): RolloutsSearch => present({ show: oneOf(raw.show, rolloutFilters) });

export const alertFilters = ['OPEN', 'CLEARED'] as const;
export interface DriftSearch {
  alert?: string;
  state?: (typeof alertFilters)[number];
  device?: string;
}
export const parseDriftSearch = (raw: Raw): DriftSearch =>
  present({ alert: text(raw.alert), state: oneOf(raw.state, alertFilters), device: text(raw.device, 63) });

export interface DataSearch {
  q?: string;
  kind?: (typeof datasetKind.options)[number];
  /** The form of a source: `new`, or the name of the one that is changed. */
  source?: string;
}
export const parseDataSearch = (raw: Raw): DataSearch => present({ q: text(raw.q), kind: oneOf(raw.kind, datasetKind.options), source: text(raw.source, 63) });

export type DatasetSearch = Pick<DataSearch, 'source'>;
export const parseDatasetSearch = (raw: Raw): DatasetSearch => present({ source: text(raw.source, 63) });

export const severityFilters = ['error', 'warning'] as const;
export type DatasetVersionSearch = { [Key in keyof ColumnQuery]?: Exclude<ColumnQuery[Key], undefined> } & {
  /** The column whose details are open. */
  column?: string;
  severity?: (typeof severityFilters)[number];
};
export const parseDatasetVersionSearch = (raw: Raw): DatasetVersionSearch =>
  present({
    q: text(raw.q),
    role: oneOf(raw.role, columnRole.options),
    sort: oneOf(raw.sort, columnSorts),
    column: text(raw.column, 128),
    severity: oneOf(raw.severity, severityFilters),
  });

export type RunsSearch = { [Key in keyof RunsQuery]?: Exclude<RunsQuery[Key], undefined> } & {
  /** Ids of the runs that are chosen for a comparison. */
  pick?: string;
};
export const parseRunsSearch = (raw: Raw): RunsSearch =>
  present({
    q: text(raw.q),
    model: text(raw.model),
    pipeline: text(raw.pipeline),
    status: oneOf(raw.status, runStatus.options),
    pick: text(raw.pick, 140),
  });

export interface RunSearch {
  /** The parameter that trials are drawn over. */
  over?: string;
  /** The column whose slices are shown. */
  slice?: string;
}
export const parseRunSearch = (raw: Raw): RunSearch => present({ over: text(raw.over, 128), slice: text(raw.slice, 128) });

export interface RunCompareSearch {
  left?: string;
  right?: string;
}
export const parseRunCompareSearch = (raw: Raw): RunCompareSearch => present({ left: text(raw.left), right: text(raw.right) });

export const settingsTabs = ['session', 'tokens', 'enrol', 'audit'] as const;
export type SettingsTab = (typeof settingsTabs)[number];
export interface SettingsSearch {
  tab?: SettingsTab;
  q?: string;
}
export const parseSettingsSearch = (raw: Raw): SettingsSearch => present({ tab: oneOf(raw.tab, settingsTabs), q: text(raw.q) });

export interface SignInSearch {
  /** Where to go afterwards; a path of this origin only. */
  to?: string;
}
export function parseSignInSearch(raw: Raw): SignInSearch {
  const to = text(raw.to, 400);
  return present({ to: to !== undefined && /^\/(?![/\\])/.test(to) ? to : undefined });
}
