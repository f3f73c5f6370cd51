import { defaultClientConditions, defaultServerConditions } from 'vite';
import { defineConfig } from 'vitest/config';

// Tests run from source: the `source` condition of every package's exports, in what is bundled and in what Node resolves.
const shared = {
  resolve: { conditions: ['source', ...defaultClientConditions] },
  ssr: { resolve: { conditions: ['source', ...defaultServerConditions], externalConditions: ['source', 'node'] } },
};
const never = ['**/node_modules/**', '**/dist/**'];
const browser = '**/*.browser.test.ts';
// One server each, and no fleet whose windows are judged: these may run two at a time.
const records = ['fleet/e2e/src/data.test.ts', 'fleet/e2e/src/records.test.ts', 'fleet/e2e/src/sources.test.ts'];

export default defineConfig({
  test: {
    projects: [
      {
        ...shared,
        test: {
          name: 'unit',
          include: ['**/src/**/*.test.{ts,tsx}', '**/test/**/*.test.ts', 'scripts/**/*.test.mjs'],
          exclude: [...never, 'fleet/e2e/**', browser],
          globalSetup: ['./fleet/e2e/src/harness/postgres-setup.ts'],
          pool: 'forks',
          maxWorkers: 2,
          testTimeout: 60_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        ...shared,
        test: {
          name: 'e2e',
          include: ['fleet/e2e/src/**/*.test.ts'],
          exclude: [...never, ...records, browser],
          pool: 'forks',
          // Each suite starts a whole fleet: one at a time on two cores.
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 300_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        ...shared,
        test: {
          name: 'records',
          include: records,
          exclude: never,
          pool: 'forks',
          maxWorkers: 2,
          testTimeout: 120_000,
          hookTimeout: 300_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        ...shared,
        test: {
          name: 'browser',
          include: [browser],
          exclude: never,
          pool: 'forks',
          maxWorkers: 2,
          testTimeout: 120_000,
          hookTimeout: 300_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
