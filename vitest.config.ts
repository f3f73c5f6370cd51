import { defaultClientConditions, defaultServerConditions } from 'vite';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

// Tests run from source: the `source` condition of every package's exports, in what is bundled and in what Node resolves.
const shared = {
  resolve: { conditions: ['source', ...defaultClientConditions] },
  ssr: { resolve: { conditions: ['source', ...defaultServerConditions], externalConditions: ['source', 'node'] } },
};
const never = ['**/node_modules/**', '**/dist/**'];
const browser = '**/*.browser.test.ts';
/** Each suite starts a whole fleet and waits for its windows for half of its time: three of them keep two cores busy. */
const fleetsAtOnce = 3;
/** Files that take longest, in that order: begun last, one of them would keep the others' processors waiting at the end. */
const longest = [
  'fleet/e2e/src/loop-external.test.ts',
  'fleet/e2e/src/loop.test.ts',
  'fleet/e2e/src/console.browser.test.ts',
  'fleet/e2e/src/data.test.ts',
  'fleet/e2e/src/bad-input.test.ts',
  'fleet/e2e/src/web-client.browser.test.ts',
  'fleet/e2e/src/records.browser.test.ts',
  'fleet/e2e/src/outage.test.ts',
  'fleet/e2e/src/console-data.browser.test.ts',
  'models/src/examples/bin-picking/train.test.ts',
  'control-plane/src/main.test.ts',
  'control-plane/src/jobs/worker.test.ts',
  'control-plane/src/store/durability.test.ts',
  'edge-agent/src/main.test.ts',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const placeOf = ({ moduleId }: TestSpecification): number => {
      const place = longest.findIndex((file) => moduleId.endsWith(`/${file}`));
      return place === -1 ? longest.length : place;
    };
    return (await super.sort(files)).toSorted((one, other) => placeOf(one) - placeOf(other));
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
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
          exclude: [...never, browser],
          pool: 'forks',
          maxWorkers: fleetsAtOnce,
          testTimeout: 120_000,
          hookTimeout: 300_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        ...shared,
        test: {
          name: 'browser',
          include: [browser],
          exclude: never,
          pool: 'forks',
          maxWorkers: fleetsAtOnce,
          testTimeout: 120_000,
          hookTimeout: 300_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
