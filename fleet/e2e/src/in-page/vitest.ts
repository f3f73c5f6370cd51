/**
 * Stands in for `vitest` when test files are bundled for a page: the same runner and the same matchers,
 * without the parts of that package that need Node.
 */
import {
  ASYMMETRIC_MATCHERS_OBJECT,
  chai,
  customMatchers,
  getState,
  GLOBAL_EXPECT,
  JestAsymmetricMatchers,
  JestChaiExpect,
  JestExtend,
  setState,
} from '@vitest/expect';
import type { ExpectStatic } from '@vitest/expect';
import { format } from '@vitest/pretty-format';

export { afterAll, afterEach, beforeAll, beforeEach, describe, it, onTestFailed, onTestFinished, test } from '@vitest/runner';

chai.use(JestExtend);
chai.use(JestChaiExpect);
chai.use(JestAsymmetricMatchers);

const globals = globalThis as unknown as Record<symbol, object>;
const asserted = ((value: unknown, message?: string) => chai.expect(value, message)) as unknown as ExpectStatic;

export const expect: ExpectStatic = Object.assign(asserted, chai.expect, globals[ASYMMETRIC_MATCHERS_OBJECT], {
  getState: () => getState(asserted),
  setState: (state: object) => setState(state, asserted),
});
expect.extend = (matchers) => (chai.expect as unknown as { extend(target: unknown, matchers: unknown): void }).extend(expect, matchers);
setState(
  { assertionCalls: 0, isExpectingAssertions: false, isExpectingAssertionsError: null, expectedAssertionsNumber: null, expectedAssertionsNumberErrorGen: null },
  expect,
);
Object.defineProperty(globalThis, GLOBAL_EXPECT, { value: expect, writable: true, configurable: true });
expect.extend(customMatchers);

const withoutIndent = (text: string): string =>
  text
    .split('\n')
    .map((line) => line.trim())
    .join('\n')
    .trim();

expect.extend({
  toMatchInlineSnapshot(received: unknown, snapshot: string) {
    const shown = format(received, { printBasicPrototype: false, escapeString: false });
    return { pass: withoutIndent(shown) === withoutIndent(snapshot), message: () => `expected ${shown} to match ${snapshot}` };
  },
});
