import { readFile } from 'node:fs/promises';

import { expect, test } from 'vitest';

import { anomalyKinds } from './anomalies.ts';
import { parseSchema } from './schema.ts';

test('the page lists every kind of anomaly, and its schema is one', async () => {
  const page = await readFile(new URL('../../../../docs/data-quality.md', import.meta.url), 'utf8');
  const [, listed = ''] = page.split('## What is found');
  const kinds = [...listed.matchAll(/^\| `([a-z-]+)` \| (?:error|warning) \|/gm)].map(([, kind]) => kind);
  expect(new Set(kinds)).toEqual(new Set(Object.keys(anomalyKinds)));
  const schema = /^ {4}\{[^]*?\] \}$/m.exec(page)?.[0] ?? '';
  expect(parseSchema(schema).columns.map(({ role }) => role)).toEqual(['id', 'time', 'feature', 'feature', 'feature', 'label']);
});
