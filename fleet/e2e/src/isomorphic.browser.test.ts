import { createServer, type Server } from 'node:http';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openBrowser, type Browser } from './harness/chromium.ts';
import { isMissing } from './harness/missing.ts';
import { fingerprint } from './in-page/fingerprint.ts';
import type { TestOutcome } from './in-page/run.ts';

interface InPage {
  outcomes: Promise<TestOutcome[]>;
  fingerprint: ReturnType<typeof fingerprint>;
}

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, '..', '..', '..');
const entry = 'virtual:isomorphic-tests';

/** Every test of the packages that claim to run anywhere, and the contracts of adapters that only a page has. */
const program = `
import { runTestFiles } from ${JSON.stringify(path.join(here, 'in-page', 'run.ts'))};
import { fingerprint } from ${JSON.stringify(path.join(here, 'in-page', 'fingerprint.ts'))};
const load = import.meta.glob(['/fleet/{protocol,stats,inference,device}/src/**/*.test.ts', '/web-client/src/**/*.page-test.ts']);
globalThis.outcomes = runTestFiles(load);
globalThis.fingerprint = fingerprint();
`;

async function bundleTests(outDir: string): Promise<void> {
  await build({
    configFile: false,
    root,
    logLevel: 'error',
    resolve: {
      conditions: ['source', 'module', 'browser', 'development|production'],
      alias: [{ find: /^vitest$/, replacement: path.join(here, 'in-page', 'vitest.ts') }],
    },
    plugins: [{ name: 'entry', resolveId: (id) => (id === entry ? `\0${entry}` : undefined), load: (id) => (id === `\0${entry}` ? program : undefined) }],
    build: {
      outDir,
      emptyOutDir: true,
      minify: false,
      target: 'es2023',
      modulePreload: false,
      rolldownOptions: { input: entry, output: { entryFileNames: 'entry.js' } },
    },
  });
}

function serve(folder: string): Promise<{ server: Server; origin: string }> {
  const server = createServer((request, response) => {
    const name = path.normalize(new URL(request.url ?? '/', 'http://localhost').pathname);
    if (name === '/')
      response
        .setHeader('content-type', 'text/html')
        .end('<!doctype html><title>tests</title><link rel="icon" href="data:,"><script type="module" src="/entry.js"></script>');
    else response.setHeader('content-type', 'text/javascript').end(readFileSync(path.join(folder, name)));
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve({ server, origin: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}` });
    });
  });
}

let folder: string;
let server: Server;
let browser: Browser;
let outcomes: TestOutcome[];
let computedInPage: Awaited<InPage['fingerprint']>;

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'serin-in-page-'));
  await bundleTests(folder);
  let origin: string;
  ({ server, origin } = await serve(folder));
  browser = await openBrowser(origin);
  const { page } = await browser.open(origin);
  await page.waitForFunction(() => 'fingerprint' in globalThis);
  outcomes = await page.evaluate(() => (globalThis as unknown as InPage).outcomes);
  computedInPage = await page.evaluate(() => (globalThis as unknown as InPage).fingerprint);
}, 300_000);

afterAll(async () => {
  await browser?.close();
  server?.close();
  rmSync(folder, { recursive: true, force: true });
});

test.skipIf(isMissing('chromium')).each(['fleet/protocol', 'fleet/stats', 'fleet/inference', 'fleet/device'])(
  'the tests of %s pass unchanged in a page',
  (name) => {
    const own = outcomes.filter((outcome) => outcome.name.startsWith(`${name}/`));
    expect(own.filter(({ state }) => state !== 'pass')).toEqual([]);
    expect(own.length).toBeGreaterThan(0);
  },
);

test.skipIf(isMissing('chromium'))("the browser's cache keeps the contract of a bundle store", () => {
  const own = outcomes.filter((outcome) => outcome.name.startsWith('web-client/'));
  expect(own.filter(({ state }) => state !== 'pass')).toEqual([]);
  expect(own.length).toBeGreaterThan(0);
});

test.skipIf(isMissing('chromium'))('the same seed gives the same frames, statistics, distances and bytes in a page as on Node', async () => {
  expect(computedInPage).toEqual(await fingerprint());
});
