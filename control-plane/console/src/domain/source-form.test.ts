import { describe, expect, test } from 'vitest';
import { source, sourceSettings, type Source } from '@serin/protocol/api/datasets';
import { draftOf, draftProblems, sourceBody, sourcePlace } from './source-form.ts';

const stored: Source = source.parse({
  name: 'billing',
  dataset: 'churn',
  settings: { kind: 'sql', urlSecret: 'SERIN_SOURCE_BILLING', query: 'select *\n  from churn', cursorColumn: 'id' },
  spec: { kind: 'table', label: 'churned', id: 'customer', delimiter: ';' },
  mode: 'append',
  schedule: '0 3 * * *',
  enabled: false,
  createdAt: 0,
  createdBy: 'admin',
  lastReadAt: null,
  nextReadAt: null,
  last: null,
});

describe('the form of a source', () => {
  test('says what is missing beside each field, and sends nothing until it is there', () => {
    const draft = draftOf(undefined);
    expect(Object.keys(draftProblems(draft)).toSorted()).toEqual(['dataset', 'name', 'path']);
    expect(sourceBody(draft, undefined)).toBeNull();
    expect(sourceBody({ ...draft, name: 'drop', dataset: 'churn', path: ' incoming ' }, undefined)).toMatchObject({
      settings: { kind: 'folder', path: 'incoming' },
      schedule: null,
      mode: 'append',
    });
  });

  test('takes names of variables where a secret is needed, never the secret', () => {
    const draft = {
      ...draftOf(undefined),
      name: 'drop',
      dataset: 'churn',
      kind: 's3' as const,
      endpoint: 'https://s3.example',
      bucket: 'b',
      keySecret: 'hunter2',
    };
    expect(draftProblems(draft)).toEqual({ keySecret: expect.stringContaining('SERIN_SOURCE_') });
    expect(sourceBody(draft, undefined)).toBeNull();
    expect(sourceBody({ ...draft, keySecret: 'SERIN_SOURCE_KEY' }, undefined)).toMatchObject({ settings: { keySecret: 'SERIN_SOURCE_KEY' } });
    expect(draftProblems({ ...draft, kind: 'url', url: 'https://a.example/x', headerSecret: '' })).toEqual({});
  });

  test('refuses addresses and schedules that the server would refuse', () => {
    const draft = { ...draftOf(undefined), name: 'drop', dataset: 'churn', kind: 'url' as const, url: 'file:///etc/passwd', schedule: 'daily' };
    expect(Object.keys(draftProblems(draft)).toSorted()).toEqual(['schedule', 'url']);
  });

  test('that is opened and saved unchanged changes nothing, not even what it does not show', () => {
    const { name, dataset, settings, spec, mode, schedule, enabled } = stored;
    expect(sourceBody(draftOf(stored), stored)).toEqual({ name, dataset, settings, spec, mode, schedule, enabled });
    expect(sourceBody({ ...draftOf(stored), label: '' }, stored)?.spec).toEqual({ kind: 'table', id: 'customer', delimiter: ';' });
  });
});

test('where a source reads from fits a line', () => {
  expect(sourcePlace(stored.settings)).toBe('select * from churn');
  expect(sourcePlace(sourceSettings.parse({ kind: 'folder', path: 'in', pattern: '*.csv' }))).toBe('in/*.csv');
});
