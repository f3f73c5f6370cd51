import fc from 'fast-check';
import { expect, test } from 'vitest';
import { extendSpan, type Span } from './gaps.ts';

test('in any order of arrival the missing numbers are those inside the span that did not come', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(60), { minLength: 1 }), (numbers) => {
      let span: Span | undefined;
      let missing = 0;
      for (const seq of numbers) {
        const next = extendSpan(span, seq);
        span = next.span;
        missing += next.missing;
      }
      expect(missing).toBe(Math.max(...numbers) - Math.min(...numbers) + 1 - numbers.length);
    }),
  );
});
