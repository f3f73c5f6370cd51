import { expect, test } from 'vitest';
import { endWords } from './end-words.ts';

test('the end of a job says what happened and what to do', () => {
  const error = { code: 'SOURCE_FAILED', detail: 'there is no folder /in', hint: 'Check the path' };
  expect(endWords({ message: 'there is no folder /in', error })).toBe('A source of data could not be read: there is no folder /in. Check the path');
  expect(endWords({ message: 'cancelled' })).toBe('cancelled');
  expect(endWords({ message: '', error: { ...error, detail: 'A source of data could not be read' } })).toBe(
    'A source of data could not be read. Check the path',
  );
});

test('however long the details are, what to do stays', () => {
  const words = endWords({ message: '', error: { code: 'SOURCE_FAILED', detail: 'x'.repeat(5000), hint: 'Check the path' } });
  expect(words).toHaveLength(1000);
  expect(words.endsWith('. Check the path')).toBe(true);
});
