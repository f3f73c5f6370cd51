import { expect, test } from 'vitest';

import { checkPipeline } from '@serin/protocol/pipeline-file';
import { gateSettings } from '@serin/protocol/pipeline';
import { pipelineTemplates } from '@serin/protocol/pipeline-templates';

import { blocksOf, readPage, snippetsMissing } from '../testing/page.ts';
import { judge, type GateEvidence } from './gate.ts';

const page = await readPage('gates.md');

/** What docs/gates.md shows. */
function documented(evidence: GateEvidence, say: (line: string) => void): void {
  const { verdict, variants } = judge(evidence, { limits: { accuracy: { min: 0.9 } }, quantisationLossMax: 0.003 });
  for (const { passed, words } of verdict.checks) say(`${passed ? 'passed' : 'failed'}: ${words}`);
  for (const { variant, ships, words } of variants) if (!ships) say(`${variant} is left out: ${words}`);
}

test('the gate and the code on the page work, and the table names every limit there is', async () => {
  const [gate = ''] = blocksOf(page, 'json');
  const declared = { ...pipelineTemplates.table.file, evaluate: { slices: ['plan'] }, ...(JSON.parse(gate) as object) };
  expect(checkPipeline(declared).gate.robustness?.['darker']).toEqual({ dropMax: 0.05, severityMax: 2 });
  const told = new Set([...page.matchAll(/^\| (`[^|]*`) \|/gm)].flatMap(([, names = '']) => [...names.matchAll(/`(\w+)/g)].map(([, name = '']) => name)));
  expect([...told].toSorted()).toEqual(Object.keys(gateSettings.shape).toSorted());
  expect(await snippetsMissing(page, new URL(import.meta.url))).toEqual([]);
  const lines: string[] = [];
  const loss = { metric: 'accuracy', better: 'higher', float: 0.95, value: 0.9, examples: 100 } as const;
  const variants = [
    { variant: 'fp32', bytes: 4 },
    { variant: 'u8s8', bytes: 1, loss },
  ] as const;
  documented({ metrics: { accuracy: 0.95 }, part: 'the test part', main: { metric: 'accuracy', better: 'higher' }, variants }, (line) => lines.push(line));
  expect(lines).toHaveLength(3);
  expect(lines[0]).toMatch(/^passed: accuracy is 0.95/);
  expect(lines[2]).toMatch(/^u8s8 is left out: u8s8 loses 5.26 % of accuracy/);
});
