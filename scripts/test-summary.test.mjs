import { expect, test } from 'vitest';
import { countResults, summaryLine } from './test-summary.mjs';

const file = (status, ...tests) => ({ status, assertionResults: tests.map((each) => ({ status: each })) });

test('every test counts once, and what did not run is said', () => {
  const counts = countResults({ testResults: [file('passed', 'passed', 'passed', 'pending'), file('failed', 'failed', 'passed', 'todo')] }, 1, false);
  expect(summaryLine(counts)).toBe('3 passed, 1 failed, 2 skipped');
});

test('nothing skipped, nothing said of it', () => {
  expect(summaryLine(countResults({ testResults: [file('passed', 'passed')] }, 0, true))).toBe('1 passed, 0 failed');
});

test('a file that did not load is a failure', () => {
  expect(countResults({ testResults: [file('failed'), file('passed', 'passed')] }, 1, false)).toMatchObject({ passed: 1, failed: 1 });
});

test.each([
  ['an error outside any test', { testResults: [file('passed', 'passed')] }],
  ['no report', undefined],
])('a run that ends badly is never all passed: %s', (_, report) => {
  expect(countResults(report, 1, false).failed).toBe(1);
});

test('in CI a skipped test has failed', () => {
  expect(countResults({ testResults: [file('passed', 'passed', 'skipped')] }, 0, true)).toMatchObject({ passed: 1, failed: 1 });
});
