export type SystemPart = 'chromium' | 'postgres' | 'mosquitto' | 'mount';

/** Whether scripts/test.mjs found that this machine lacks one of them; suites that need it skip, and in CI that is a failure. */
export function isMissing(...parts: SystemPart[]): boolean {
  const missing = (process.env.SERIN_TEST_MISSING ?? '').split(',');
  return parts.some((part) => missing.includes(part));
}
