// Runs every test (or those whose path matches the arguments) and ends with one line: `N passed, N failed[, N skipped]`.
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeScratchFolder } from './scratch.mjs';
import { provideSystemParts } from './system-parts.mjs';
import { countResults, summaryLine } from './test-summary.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const folder = makeScratchFolder();
const report = path.join(folder, 'report.json');

const args = [
  path.join(root, 'node_modules', 'vitest', 'vitest.mjs'),
  'run',
  '--root',
  root,
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${report}`,
  ...process.argv.slice(2),
];
const child = spawnSync(process.execPath, args, {
  stdio: ['ignore', 'inherit', 'inherit'],
  env: { ...process.env, ...provideSystemParts(), TMPDIR: folder },
});

let results;
try {
  results = JSON.parse(readFileSync(report, 'utf8'));
} catch {
  // No report: vitest itself ended early, and said why above.
}
rmSync(folder, { recursive: true, force: true });

const counts = countResults(results, child.status, process.env.CI === 'true');
if (process.env.CI === 'true' && counts.skipped > 0) console.error('serin: in CI a skipped test counts as failed');
if (process.env.SERIN_TEST_COUNTS_FILE === undefined) console.log(summaryLine(counts));
else writeFileSync(process.env.SERIN_TEST_COUNTS_FILE, `${counts.passed} ${counts.failed}\n`);
process.exitCode = counts.failed === 0 ? 0 : 1;
