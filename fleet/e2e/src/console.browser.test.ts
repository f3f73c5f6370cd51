import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bringUp, picker, startStack, untilFinished, type Stack } from './harness/stack.ts';
import { openBrowser, type Browser } from './harness/chromium.ts';
import { isMissing } from './harness/missing.ts';
import type { Page } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

describe.skipIf(isMissing('chromium'))('the console in a real browser', () => {
  let stack: Stack;
  let browser: Browser;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    stack = await startStack('embedded');
    await Promise.all([stack.startAgent('cam-1'), stack.startVirtual(3)]);
    await bringUp(stack, 4);
    const { httpUrl, signInUrl } = stack.server().ready;
    browser = await openBrowser(new URL(httpUrl).origin);
    ({ page, complaints } = await browser.open(signInUrl));
    await page.getByTestId('device-cam-1').waitFor();
  }, 300_000);

  afterAll(async () => {
    await browser?.close();
    await stack?.stop();
  }, 60_000);

  test('the one-time link signs in, and works once', async () => {
    expect(complaints).toEqual([]);
    const stranger = await fetch(`${stack.server().ready.httpUrl}/api/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ code: new URL(stack.server().ready.signInUrl).hash.slice(1) }),
    });
    expect(stranger.status).toBe(401);
  });

  test('a version flips on the screen without a reload', async () => {
    await page.evaluate(() => Object.assign(window, { neverReloaded: true }));
    await page.locator('[data-testid="device-cam-1"][data-version="1"]').waitFor();
    await stack.api('startJob', { body: { kind: 'train', model: picker, seed: 11, rollout: true } });
    await page.locator('[data-testid="device-cam-1"][data-version="2"]').waitFor({ timeout: 240_000 });
    await page.locator('[data-testid="device-sim-3"][data-version="2"]').waitFor({ timeout: 240_000 });
    expect(await page.evaluate(() => 'neverReloaded' in window)).toBe(true);
    expect(complaints).toEqual([]);
  }, 300_000);

  test.each(['light', 'dark'] as const)(
    'every page is accessible in the %s theme',
    async (colorScheme) => {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      const violations: string[] = [];
      for (const route of ['/', '/devices', '/data', '/runs', '/pipelines', '/models', '/rollouts', '/drift', '/settings']) {
        await page.goto(`${stack.server().ready.httpUrl}${route}`);
        await page.getByRole('main').waitFor();
        await page.evaluate(axe);
        const found = await page.evaluate(async () => {
          const run = (window as unknown as { axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> } }).axe.run;
          return (await run()).violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html.slice(0, 160)}`);
        });
        violations.push(...found.map((violation) => `${route} ${violation}`));
      }
      expect(violations).toEqual([]);
    },
    120_000,
  );

  test('the browser client verifies the same bundle in the page, passes the golden vectors and infers', async () => {
    // Browsers get what serves the fleet: the version whose rollout has been completed.
    await untilFinished(stack, 2);
    const client = await browser.open(`${stack.server().ready.httpUrl}/web/`);
    await client.page.locator('[data-testid="web-state"][data-state="live"]').waitFor({ timeout: 60_000 });
    const count = async () => Number(await client.page.getByTestId('web-inferences').getAttribute('data-count'));
    const before = await count();
    await client.page.waitForFunction(
      (least) => Number(document.querySelector('[data-testid="web-inferences"]')?.getAttribute('data-count')) > least,
      before + 20,
    );
    expect(await client.page.getByTestId('web-version').textContent()).toContain('2');
    expect(client.complaints).toEqual([]);
    await client.page.close();
  }, 120_000);
});
