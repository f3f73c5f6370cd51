import fc from 'fast-check';
import { expect, test } from 'vitest';

import { report as reportSchema, type Report } from '@serin/protocol/bundle/report';
import { arbitraryOf } from '@serin/protocol/testing/schema-arbitrary';

import { renderReport } from './html.ts';
import { exampleReport } from './testing/example-report.ts';

const subject = { version: 12, manifest: 'ab'.repeat(32), signedBy: 'k1' };
const reports = arbitraryOf(reportSchema) as fc.Arbitrary<Report>;

/** Tags and attributes the page is made of; anything else came from outside. */
const known = new Set(
  'html head meta title style body main header footer section div span p b br h1 h2 h3 ul ol li dl dt dd table thead tbody tr th td small details summary figure figcaption svg g rect line circle path text'.split(
    ' ',
  ),
);
const tagsOf = (page: string): string[] =>
  [...page.replace(/<style>[^]*?<\/style>/, '').matchAll(/<\/?([a-z0-9]+)/gi)].map(([, name]) => (name ?? '').toLowerCase()).filter((name) => !known.has(name));

test('a report with everything in it tells every section, the failed checks first', () => {
  const page = renderReport(exampleReport(), subject);
  for (const id of ['gate', 'performance', 'slices', 'costs', 'robustness', 'variants', 'data', 'training', 'environment', 'assumptions'])
    expect(page).toContain(`id="${id}"`);
  for (const words of ['parts version 12', 'Did not pass its gate', '1 check of 7 failed: slices drop', 'left out', '53.89 EUR', 'Intel(R) Xeon(R)', 'shift'])
    expect(page).toContain(words);
  expect(page.indexOf('On shift=evening')).toBeLessThan(page.indexOf('Accuracy is 0.9722 on the test part'));
  expect(tagsOf(page)).toEqual([]);
});

test('of a run whose version did not pass no form goes out, and a form that was not made has no figures', () => {
  const none = { variant: 'w4' as const, bytes: 0, ships: false, words: 'w4: no weights are large enough', recovery: [], quantised: 0 };
  const { variants } = exampleReport();
  const page = renderReport(exampleReport({ variants: [...variants, none] }), { run: 'r-1', version: null });
  for (const words of ['Run <span class="mono">r-1</span>; no version was made of it', 'Forms it would go out in', '>would ship<', 'the run has kept'])
    expect(page).toContain(words);
  expect(page).not.toMatch(/>ships<|0 B<|Manifest/);
  const passed = renderReport(exampleReport({ gate: { passed: true, checks: [] } }), subject);
  expect(passed).toMatch(/Forms it goes out in[^]*<\/svg>ships</);
  expect(passed).not.toContain('would ship');
});

test('the page needs nothing else and runs nothing', () => {
  const page = renderReport(exampleReport(), subject);
  expect(page).not.toMatch(/<script|<link|<img|<iframe|javascript:|url\(|@import|\son\w+=|https?:/i);
});

test('any report gives a page, the same one every time, whatever the order of its keys', () => {
  const turned = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(turned);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .toReversed()
        .map(([key, one]) => [key, turned(one)]),
    );
  };
  fc.assert(
    fc.property(reports, (one) => {
      const page = renderReport(one);
      expect(renderReport(turned(JSON.parse(JSON.stringify(one))) as Report)).toBe(page);
      expect(page).not.toMatch(/NaN|Infinity|undefined|\[object/);
      expect(tagsOf(page)).toEqual([]);
    }),
    { numRuns: 25 },
  );
});

test('a report survives being written and read, and what is new in it is no hindrance', () => {
  fc.assert(
    fc.property(reports, (one) => {
      expect(reportSchema.parse({ ...(JSON.parse(JSON.stringify(one)) as object), later: 1 })).toEqual(JSON.parse(JSON.stringify(one)));
    }),
    { numRuns: 25 },
  );
});

test('what is written into names is text on the page, and turns nothing around', () => {
  const hostile = `<script>alert(1)</script>"'\`><img src=x onerror=alert(1)>&amp;\u202Egpj.exe\u0007\uD800`;
  const poisoned = (value: unknown, key = ''): unknown => {
    if (Array.isArray(value)) return value.map((one) => poisoned(one));
    if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, poisoned(one, name)]));
    const fixed = ['model', 'task', 'dataset', 'digest', 'lockfile', 'variant', 'unit', 'better', 'name', 'main', 'metric'];
    return typeof value === 'string' && !fixed.includes(key) ? hostile : value;
  };
  const example = exampleReport();
  const page = renderReport(
    {
      ...(poisoned(example) as Report),
      training: {
        ...example.training,
        parameters: { [hostile]: hostile },
        series: [
          {
            name: hostile,
            points: [
              [0, 1],
              [1, 2],
            ],
          },
        ],
      },
      labels: [hostile],
      description: hostile,
    },
    { ...subject, signedBy: hostile },
  );
  expect(tagsOf(page)).toEqual([]);
  expect(page).not.toMatch(/<script|<img|\u202E|\p{Cs}/u);
  expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&#96;&gt;&lt;img src=x onerror=alert(1)&gt;&amp;amp;\uFFFDgpj.exe\uFFFD\uFFFD');
});

test('a report of a bare model says what little is known', () => {
  const page = renderReport(
    reportSchema.parse({ v: 1, model: 'x', task: 'tensor', labels: [], variants: [], gate: { passed: true, checks: [] }, assumptions: [] }),
  );
  expect(page).toContain('Nothing was asked of it');
  expect(page).not.toContain('<section');
});
