import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
let folder;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'serin-lint-'));
  copyFileSync(path.join(root, '.oxlintrc.json'), path.join(folder, '.oxlintrc.json'));
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'), 'junction');
  writeFileSync(path.join(folder, 'tsconfig.json'), '{"compilerOptions":{"strict":true,"module":"nodenext","lib":["ES2023"],"types":[]}}');
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The rules that the project's own configuration finds broken in a tree of files. */
function lint(files) {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text);
  }
  const { stdout } = spawnSync(process.execPath, [path.join(root, 'node_modules', 'oxlint', 'bin', 'oxlint'), '--format=json', ...Object.keys(files)], {
    cwd: folder,
    encoding: 'utf8',
  });
  for (const name of Object.keys(files)) rmSync(path.join(folder, name));
  return [...new Set(JSON.parse(stdout).diagnostics.map(({ code }) => code))];
}

const importing = (specifier) => `import { thing } from '${specifier}';\nexport const same = thing;\n`;
const restricted = ['eslint(no-restricted-imports)'];

test.each([
  ['fleet/protocol/src/probe.ts', '@serin/stats/histogram'],
  ['fleet/protocol/src/probe.ts', 'node:fs'],
  ['fleet/protocol/src/probe.ts', 'crypto'],
  ['fleet/protocol/src/deep/er/probe.ts', '../../../../stats/src/histogram.ts'],
  ['fleet/stats/src/probe.ts', '@serin/protocol/ids'],
  ['fleet/inference/src/probe.ts', '@serin/device/ports'],
  ['fleet/inference/src/probe.ts', 'node:path'],
  ['fleet/device/src/probe.ts', '@serin/edge-agent/main'],
  ['fleet/device/src/probe.ts', 'node:fs/promises'],
  ['web-client/src/probe.ts', 'node:fs'],
  ['web-client/src/probe.ts', '@serin/control-plane/main'],
  ['edge-agent/src/probe.ts', '@serin/control-plane/config'],
  ['fleet/simulator/src/probe.ts', '@serin/edge-agent/main'],
  ['models/src/probe.ts', '@serin/device/ports'],
  ['control-plane/src/probe.ts', '@serin/edge-agent/main'],
  ['control-plane/console/src/probe.tsx', '@serin/stats/histogram'],
  ['control-plane/console/src/probe.tsx', 'node:fs'],
  ['fleet/cli/src/probe.ts', '@serin/stats/histogram'],
  ['fleet/demo/src/probe.ts', '@serin/control-plane/main'],
])('%s may not import %s', (file, specifier) => {
  expect(lint({ [file]: importing(specifier) })).toEqual(restricted);
});

test.each([
  ['fleet/protocol/src/probe.ts', './ids.ts'],
  ['fleet/inference/src/probe.ts', '@serin/stats/histogram'],
  ['fleet/device/src/probe.ts', '@serin/protocol/bundle/manifest'],
  ['edge-agent/src/probe.ts', '@serin/device/ports'],
  ['edge-agent/src/probe.ts', 'node:fs'],
  ['fleet/simulator/src/probe.ts', '@serin/edge-agent/link'],
  ['models/src/probe.ts', '@serin/inference/random'],
  ['control-plane/src/probe.ts', '@serin/models/onnx/graph'],
  ['control-plane/console/src/probe.tsx', '@serin/protocol/api/client'],
  ['fleet/cli/src/probe.ts', '@serin/protocol/api/client'],
])('%s may import %s', (file, specifier) => {
  expect(lint({ [file]: importing(specifier) })).toEqual([]);
});

test('a circle of imports is found', () => {
  const found = lint({
    'fleet/stats/src/left.ts': "import { right } from './right.ts';\nexport const left = (): unknown => right;\n",
    'fleet/stats/src/right.ts': "import { left } from './left.ts';\nexport const right = (): unknown => left;\n",
  });
  expect(found).toEqual(['import(no-cycle)']);
});

test('a promise nobody waits for is found', () => {
  expect(lint({ 'models/src/probe.ts': 'const later = async (): Promise<void> => {};\nexport function start(): void {\n  later();\n}\n' })).toEqual([
    'typescript(no-floating-promises)',
  ]);
});

test('the clock and chance are arguments in packages that decide', () => {
  const text = 'export const now = (): number => Date.now();\n';
  expect(lint({ 'fleet/device/src/probe.ts': text })).toEqual(['eslint(no-restricted-properties)']);
  expect(lint({ 'edge-agent/src/probe.ts': text })).toEqual([]);
});
