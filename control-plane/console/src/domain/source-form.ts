import { newSource } from '@serin/protocol/api/data-routes';
import type { Source, SourceSettings } from '@serin/protocol/api/datasets';
import { modelName } from '@serin/protocol/ids';
import type { z } from 'zod/mini';

export type SourceKind = SourceSettings['kind'];
export type SourceBody = z.input<typeof newSource>;

export const sourceKindWords: Record<SourceKind, string> = { folder: 'Folder of the server', url: 'Web address', s3: 'S3 bucket', sql: 'Database query' };

/** Everything as it is typed: a form has no numbers and nothing that is absent. */
export interface SourceDraft {
  name: string;
  dataset: string;
  kind: SourceKind;
  path: string;
  pattern: string;
  url: string;
  headerSecret: string;
  endpoint: string;
  region: string;
  bucket: string;
  prefix: string;
  keyIdSecret: string;
  keySecret: string;
  urlSecret: string;
  query: string;
  cursorColumn: string;
  dataKind: 'table' | 'text' | 'images';
  label: string;
  mode: 'append' | 'replace';
  schedule: string;
  enabled: boolean;
}

const blank: SourceDraft = {
  name: '',
  dataset: '',
  kind: 'folder',
  path: '',
  pattern: '',
  url: '',
  headerSecret: '',
  endpoint: '',
  region: 'us-east-1',
  bucket: '',
  prefix: '',
  keyIdSecret: 'SERIN_SOURCE_KEY_ID',
  keySecret: 'SERIN_SOURCE_KEY',
  urlSecret: 'SERIN_SOURCE_DATABASE',
  query: '',
  cursorColumn: '',
  dataKind: 'table',
  label: '',
  mode: 'append',
  schedule: '',
  enabled: true,
};

const kept = <Shape extends object>(shape: Shape): Partial<SourceDraft> =>
  Object.fromEntries(Object.entries(shape).filter(([key, value]) => key in blank && key !== 'kind' && typeof value === 'string'));

/** A form that begins with what a source has, or with what is usual. */
export function draftOf(source: Source | undefined, dataset = ''): SourceDraft {
  if (source === undefined) return { ...blank, dataset };
  return {
    ...blank,
    ...kept(source.settings),
    kind: source.settings.kind,
    name: source.name,
    dataset: source.dataset,
    dataKind: source.spec.kind,
    label: source.spec.label ?? '',
    mode: source.mode,
    schedule: source.schedule ?? '',
    enabled: source.enabled,
  };
}

const optional = (name: string, value: string): Record<string, string> => (value.trim() === '' ? {} : { [name]: value.trim() });

function settingsOf(draft: SourceDraft): unknown {
  switch (draft.kind) {
    case 'folder':
      return { kind: 'folder', path: draft.path.trim(), ...optional('pattern', draft.pattern) };
    case 'url':
      return { kind: 'url', url: draft.url.trim(), ...optional('headerSecret', draft.headerSecret) };
    case 's3':
      return {
        kind: 's3',
        endpoint: draft.endpoint.trim(),
        ...optional('region', draft.region),
        bucket: draft.bucket.trim(),
        prefix: draft.prefix.trim(),
        keyIdSecret: draft.keyIdSecret.trim(),
        keySecret: draft.keySecret.trim(),
      };
    case 'sql':
      return { kind: 'sql', urlSecret: draft.urlSecret.trim(), query: draft.query.trim(), ...optional('cursorColumn', draft.cursorColumn) };
  }
}

export type DraftProblems = Partial<Record<keyof SourceDraft, string>>;

const required: Record<SourceKind, readonly (keyof SourceDraft)[]> = {
  folder: ['path'],
  url: ['url'],
  s3: ['endpoint', 'bucket'],
  sql: ['query'],
};
const secrets: Record<SourceKind, readonly (keyof SourceDraft)[]> = {
  folder: [],
  url: ['headerSecret'],
  s3: ['keyIdSecret', 'keySecret'],
  sql: ['urlSecret'],
};
const secretName = /^SERIN_SOURCE_[A-Z0-9_]{1,64}$/;
const nameWords = 'Lower-case letters, digits, - and _, at most 63';

const isAddress = (text: string): boolean => {
  const scheme = URL.parse(text)?.protocol;
  return scheme === 'http:' || scheme === 'https:';
};

/** What the server would refuse, beside the field it is about. */
export function draftProblems(draft: SourceDraft): DraftProblems {
  const problems: DraftProblems = {};
  if (!modelName.safeParse(draft.name.trim()).success) problems.name = nameWords;
  if (!modelName.safeParse(draft.dataset.trim()).success) problems.dataset = nameWords;
  for (const field of required[draft.kind]) if (String(draft[field]).trim() === '') problems[field] = 'Needed';
  for (const field of secrets[draft.kind]) {
    const value = String(draft[field]).trim();
    if (!(value === '' && field === 'headerSecret') && !secretName.test(value)) problems[field] = 'The name of a variable that begins with SERIN_SOURCE_';
  }
  if (draft.kind === 'url' && draft.url.trim() !== '' && !isAddress(draft.url.trim())) problems.url = 'An address that begins with http:// or https://';
  if (draft.kind === 's3' && draft.endpoint.trim() !== '' && !isAddress(draft.endpoint.trim()))
    problems.endpoint = 'An address that begins with http:// or https://';
  if (draft.schedule.trim() !== '' && draft.schedule.trim().split(/\s+/).length !== 5)
    problems.schedule = 'Five fields as cron has them: minute, hour, day, month, weekday';
  return problems;
}

/** The request, once nothing is wrong; what a form does not show of a known source is kept. */
export function sourceBody(draft: SourceDraft, known: Source | undefined): SourceBody | null {
  const { label: _, ...rest } = known?.spec ?? { kind: draft.dataKind };
  const parsed = newSource.safeParse({
    name: draft.name.trim(),
    dataset: draft.dataset.trim(),
    settings: settingsOf(draft),
    spec: { ...rest, kind: draft.dataKind, ...optional('label', draft.label) },
    mode: draft.mode,
    schedule: draft.schedule.trim() === '' ? null : draft.schedule.trim(),
    enabled: draft.enabled,
  });
  return parsed.success && Object.keys(draftProblems(draft)).length === 0 ? parsed.data : null;
}

/** Where it reads from, in a line; a secret is only ever a name, so nothing is hidden here. */
export function sourcePlace(settings: SourceSettings): string {
  switch (settings.kind) {
    case 'folder':
      return settings.pattern === undefined ? settings.path : `${settings.path}/${settings.pattern}`;
    case 'url':
      return settings.url;
    case 's3':
      return `${settings.bucket}/${settings.prefix} at ${settings.endpoint}`;
    case 'sql':
      return settings.query.replace(/\s+/g, ' ');
  }
}
