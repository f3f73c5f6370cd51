import { expect, test } from 'vitest';
import { chooseBackend, requireVerification, type BrowserScope } from './capabilities.ts';

const modern: BrowserScope = { isSecureContext: true, crossOriginIsolated: false, crypto: globalThis.crypto, hardwareConcurrency: 8 };
const withSubtle = (subtle: unknown): Crypto => ({ subtle }) as unknown as Crypto;

test('a modern browser in a secure context may verify', async () => {
  await expect(requireVerification(modern)).resolves.toBeUndefined();
});

test('an insecure context is refused with what to do about it', async () => {
  await expect(requireVerification({ ...modern, isSecureContext: false, crypto: withSubtle(undefined) })).rejects.toMatchObject({
    code: 'CONTEXT_INSECURE',
    hint: expect.stringContaining('HTTPS'),
  });
});

test('a browser without Ed25519 is refused, and the missing part named', async () => {
  const crypto = withSubtle({ importKey: async () => Promise.reject(new DOMException('unrecognised', 'NotSupportedError')) });
  await expect(requireVerification({ ...modern, crypto })).rejects.toMatchObject({ code: 'BROWSER_UNSUPPORTED', detail: expect.stringContaining('Ed25519') });
});

test('threads are used only where the page is isolated, and never more than four', () => {
  expect(chooseBackend(modern).threads).toBe(1);
  expect(chooseBackend({ ...modern, crossOriginIsolated: true }).threads).toBe(4);
  expect(chooseBackend({ ...modern, crossOriginIsolated: true, hardwareConcurrency: 2 }).threads).toBe(2);
});
