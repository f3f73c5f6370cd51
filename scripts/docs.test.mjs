import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { errorCatalogue } from '@serin/protocol/errors';
import { errorsPage, renderErrors } from './docs.mjs';

test('docs/errors.md says what the catalogue says', () => {
  expect(readFileSync(errorsPage, 'utf8'), 'run `npm run docs` and commit docs/errors.md').toBe(renderErrors(errorCatalogue));
});

test('codes are stable names, and every message and hint is a sentence without its full stop', () => {
  for (const [code, { message, hint, status }] of Object.entries(errorCatalogue)) {
    expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
    expect(message, code).toMatch(/^[A-Z].*[^.]$/);
    expect(hint, code).not.toBe('');
    expect(status, code).toBeGreaterThanOrEqual(400);
  }
});
