/**
 * Counts from vitest's JSON report. A file that did not load counts as one failure, and so does a run that ended
 * badly without naming a test: an error outside any test, or no report at all.
 */
export function countResults(report, exitCode, isCi) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const file of report?.testResults ?? []) {
    const tests = file.assertionResults;
    for (const { status } of tests) counts[status === 'passed' || status === 'failed' ? status : 'skipped']++;
    if (file.status === 'failed' && !tests.some(({ status }) => status === 'failed')) counts.failed++;
  }
  if (isCi) counts.failed += counts.skipped;
  if (exitCode !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}

export const summaryLine = ({ passed, failed, skipped }) => `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
