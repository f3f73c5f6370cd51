import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseQuery, printQuery } from './query-string.ts';
import {
  parseDataSearch,
  parseDatasetSearch,
  parseDatasetVersionSearch,
  parseDeviceSearch,
  parseDevicesSearch,
  parseDriftSearch,
  parseModelsSearch,
  parseRolloutsSearch,
  parseRunCompareSearch,
  parseRunSearch,
  parseRunsSearch,
  parseSettingsSearch,
  parseShellSearch,
  parseSignInSearch,
} from './search.ts';

const parsers = [
  parseDataSearch,
  parseDatasetSearch,
  parseDatasetVersionSearch,
  parseDeviceSearch,
  parseDevicesSearch,
  parseDriftSearch,
  parseModelsSearch,
  parseRolloutsSearch,
  parseRunCompareSearch,
  parseRunSearch,
  parseRunsSearch,
  parseSettingsSearch,
  parseShellSearch,
  parseSignInSearch,
];

describe('search parameters', () => {
  test('survive the address bar', () => {
    const search = { q: 'cam 1&x', state: 'drifting', version: '3', sort: 'p95', desc: true };
    expect(parseDevicesSearch(parseQuery(printQuery(search)))).toEqual(search);
    expect(parseModelsSearch(parseQuery('?model=picker&version=4'))).toEqual({ model: 'picker', version: 4 });
    const runs = { status: 'FAILED', pick: 'a,b', pipeline: 'churn' };
    expect(parseRunsSearch(parseQuery(printQuery(runs)))).toEqual(runs);
    expect(parseDatasetVersionSearch({ role: 'label', sort: 'missing', column: 'age & co', severity: 'fatal' })).toEqual({
      role: 'label',
      sort: 'missing',
      column: 'age & co',
    });
    expect(printQuery({})).toBe('');
  });

  test('that make no sense are dropped, whatever was typed', () => {
    expect(parseDevicesSearch({ state: 'happy', sort: 'q', desc: 'maybe', q: '', site: {} })).toEqual({});
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.anything()), (raw) => {
        for (const parse of parsers) for (const value of Object.values(parse(raw) as Record<string, unknown>)) expect(value).toBeDefined();
      }),
    );
  });

  test('read again are the same: parsing is settled after one pass', () => {
    const keys = ['q', 'state', 'site', 'version', 'sort', 'desc', 'jobs', 'span', 'model', 'show', 'alert', 'device', 'tab', 'to'].concat([
      'kind',
      'source',
      'role',
      'column',
      'severity',
      'pipeline',
      'status',
      'pick',
      'over',
      'slice',
      'left',
      'right',
    ]);
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.constantFrom(...keys),
          fc.oneof(fc.string(), fc.constantFrom('online', 'OPEN', 'tokens', '3', 'true', '/devices', 'label', 'error', 'FAILED', 'table')),
        ),
        (raw) => {
          for (const parse of parsers) {
            const once = parse(raw) as Record<string, unknown>;
            expect(parse(once)).toEqual(once);
            expect(parse(parseQuery(printQuery(once)))).toEqual(once);
          }
        },
      ),
    );
  });

  test('never lead out of the console after signing in', () => {
    for (const to of ['//evil.example', '/\\evil.example', 'https://evil.example', 'javascript:alert(1)']) expect(parseSignInSearch({ to })).toEqual({});
    expect(parseSignInSearch({ to: '/devices?state=failed' })).toEqual({ to: '/devices?state=failed' });
  });
});
