import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openBrowser, type Browser } from './harness/chromium.ts';
import { isMissing } from './harness/missing.ts';
import { freePort } from './harness/parts.ts';
import {
  ask,
  churn,
  churnFile,
  churnPipeline,
  churnRecords,
  makeVersion,
  postFile,
  postPipeline,
  posts,
  rollOut,
  wide,
  wideFile,
  widePipeline,
  type PredictReply,
} from './harness/records.ts';
import { startStack, type Stack } from './harness/stack.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const program = path.join(root, 'web-client', 'src', 'testing', 'documented.ts');
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const phone = { width: 390, height: 844 };
const desk = { width: 1440, height: 900 };

const squeezed = (code: string): string => code.replaceAll(/^\s+|\s+$/gm, '').replaceAll('\n', ' ');

/** The program of a page of one's own, with ONNX Runtime beside it. */
async function buildOwnPage(outDir: string): Promise<void> {
  const client = path.join(root, 'web-client');
  await build({
    root: client,
    configFile: path.join(client, 'vite.config.ts'),
    base: '/own/',
    logLevel: 'error',
    build: { outDir, emptyOutDir: true, rolldownOptions: { input: program, output: { entryFileNames: 'entry.js' } } },
  });
}

describe.skipIf(isMissing('chromium'))('a page that asks models of records', () => {
  let stack: Stack;
  let port: number;
  let browser: Browser;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    stack = await startStack('embedded');
    port = await freePort();
    await stack.startAgent('kiosk-1', { httpPort: port });
    await makeVersion(stack, churnPipeline, { 'customers.csv': churnFile(1500) });
    await makeVersion(stack, widePipeline, { 'customers.csv': wideFile(800) });
    await makeVersion(stack, postPipeline, { 'posts.csv': postFile(800) });
    for (const model of [churn, wide, posts]) await rollOut(stack, model, 1);
    const { httpUrl, signInUrl } = stack.server().ready;
    browser = await openBrowser(httpUrl);
    ({ page, complaints } = await browser.open(signInUrl));
    await page.locator('main h1').waitFor();
  }, 300_000);
  afterAll(async () => {
    await browser?.close();
    await stack?.stop();
  }, 60_000);
  beforeEach(async () => {
    complaints.length = 0;
    await page.setViewportSize(desk);
    await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
  });

  async function open(model: string): Promise<void> {
    await page.goto(`${stack.server().ready.httpUrl}/web/?model=${model}`);
    await page.locator('[data-testid="web-state"][data-state="ready"]').waitFor();
  }

  /** Fills in a record; whatever it lacks is left as it was. */
  async function fill(record: Readonly<Record<string, unknown>>): Promise<void> {
    for (const [name, cell] of Object.entries(record)) {
      const control = page.getByLabel(name, { exact: true });
      if ((await control.evaluate((element) => element.tagName)) === 'SELECT') await control.selectOption(String(cell));
      else await control.fill(String(cell));
    }
  }

  const button = () => page.getByRole('button', { name: 'Ask', exact: true });
  const prediction = () => page.locator('[data-figure="prediction"]');

  async function submit(): Promise<Pick<PredictReply, 'prediction' | 'probabilities' | 'reasons'>> {
    await page.locator('.reply').evaluate((element) => element.replaceChildren());
    await button().click();
    await prediction().waitFor();
    const numbers = (selector: string, attribute: string) =>
      page.locator(selector).evaluateAll((elements, name) => elements.map((element) => Number(element.getAttribute(name))), attribute);
    const names = await page.locator('[data-reason]').evaluateAll((elements) => elements.map((element) => element.getAttribute('data-reason') ?? ''));
    const contributions = await numbers('[data-reason]', 'data-contribution');
    return {
      prediction: (await prediction().textContent()) ?? '',
      probabilities: await numbers('[data-share]', 'data-share'),
      reasons: names.map((name, index) => ({ name, contribution: contributions[index] ?? Number.NaN })),
    };
  }

  function expectAlike(shown: Awaited<ReturnType<typeof submit>>, answered: PredictReply): void {
    expect(shown.prediction).toBe(answered.prediction);
    expect(shown.probabilities).toHaveLength(answered.probabilities.length);
    answered.probabilities.forEach((share, index) => expect(shown.probabilities[index]).toBeCloseTo(share, 5));
    expect(shown.reasons?.map(({ name }) => name)).toEqual(answered.reasons?.map(({ name }) => name));
    answered.reasons?.forEach(({ contribution }, index) => expect(shown.reasons?.[index]?.contribution).toBeCloseTo(contribution, 4));
  }

  test('shows a form of the columns, and answers as the agent does, with the same reasons', async () => {
    await open(churn);
    const labels = await page.locator('.ask label').allTextContents();
    expect(labels).toEqual(expect.arrayContaining(['tenure_months', 'plan', 'monthly_fee', 'region']));
    expect(labels).not.toContain('churned');
    const levels = await page.getByLabel('plan').locator('option').allTextContents();
    expect([levels[0], ...levels.slice(1).toSorted()]).toEqual(['not known', 'basic', 'plus', 'pro']);
    for (const record of churnRecords(4, 99)) {
      await page.getByRole('button', { name: 'Clear' }).click();
      await fill(record);
      expectAlike(await submit(), await ask(port, `${churn}?reasons=8`, record));
    }
    await page.getByRole('button', { name: 'Clear' }).click();
    expect(await prediction().count()).toBe(0);
    expectAlike(await submit(), await ask(port, `${churn}?reasons=8`, {}));
    expect(complaints).toEqual([]);
  });

  test('a text is asked with the keyboard alone, and the words that made the answer are those the agent names', async () => {
    await open(posts);
    const text = 'Fire at the old mill, two workers trapped, please send help';
    await page.getByLabel('text').focus();
    await page.keyboard.type(text);
    const shown = await submit();
    expectAlike(shown, await ask(port, `${posts}?reasons=8`, { text }));
    await page.getByLabel('text').focus();
    await page.keyboard.press('Tab');
    expect(await button().evaluate((element) => element === document.activeElement)).toBe(true);
    await page.keyboard.press('Enter');
    await prediction().waitFor();
    expect(complaints).toEqual([]);
  });

  test('the snippet of the page on records runs in a page of its own, and says what the agent says', async () => {
    const snippets = [...readFileSync(path.join(root, 'docs', 'records.md'), 'utf8').matchAll(/```ts\n(.*?)```/gs)];
    expect(snippets).toHaveLength(1);
    expect(squeezed(readFileSync(program, 'utf8'))).toContain(squeezed(snippets[0]?.[1] ?? ''));
    const folder = mkdtempSync(path.join(tmpdir(), 'serin-own-page-'));
    try {
      await buildOwnPage(folder);
      const own = await browser.context.newPage();
      const page = '<!doctype html><script type="module" src="entry.js"></script>';
      await own.route(/\/(own|ort)\//, (route) => {
        const { pathname } = new URL(route.request().url());
        return pathname === '/own/'
          ? route.fulfill({ contentType: 'text/html', body: page })
          : route.fulfill({ path: path.join(folder, pathname.replace(/^\/own\//, '')) });
      });
      await own.goto(`${stack.server().ready.httpUrl}/own/`);
      await own.waitForFunction(() => 'documented' in globalThis);
      const said = await own.evaluate(async () => {
        const lines: string[] = [];
        await (globalThis as unknown as { documented(say: (line: string) => void): Promise<void> }).documented((line) => lines.push(line));
        return lines;
      });
      const record = { tenure_months: 2, plan: 'pro', support_calls: 4 };
      const { prediction, confidence, reasons = [] } = await ask(port, `${churn}?reasons=3`, record);
      expect(said).toEqual([
        `${prediction}, ${confidence.toFixed(2)}`,
        ...reasons.map(({ name, given, contribution }) => `${contribution.toFixed(2)}: ${name} ${given ?? 'not known'}`),
      ]);
      await own.close();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('with forty columns of long names nothing is cut off, and button, focus and answer stay in view', async () => {
    for (const size of [phone, desk]) {
      await page.setViewportSize(size);
      await open(wide);
      expect(await page.locator('.ask .field').count()).toBe(40);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      expect(overflow, `${size.width}`).toBeLessThanOrEqual(0);
      await page.getByLabel('tenure_months').focus();
      const buttons = await page.locator('.buttons').boundingBox();
      expect((buttons?.y ?? Infinity) + (buttons?.height ?? 0)).toBeLessThanOrEqual(size.height + 1);
      for (let field = 0; field < 25; field++) await page.keyboard.press('Tab');
      const [focus, above] = [await page.locator(':focus').boundingBox(), await page.locator('.buttons').boundingBox()];
      expect((focus?.y ?? Infinity) + (focus?.height ?? 0)).toBeLessThanOrEqual(above?.y ?? 0);
      await button().click();
      await prediction().waitFor();
      const answer = await prediction().boundingBox();
      expect(answer?.y).toBeGreaterThanOrEqual(0);
      expect(answer?.y).toBeLessThan(size.height);
    }
  });

  test.each([
    ['light', phone],
    ['dark', phone],
    ['light', desk],
    ['dark', desk],
  ] as const)('is accessible in the %s theme at %o', async (colorScheme, size) => {
    await page.setViewportSize(size);
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    for (const model of [churn, wide, posts]) {
      await open(model);
      await page.evaluate(axe);
      expect(await violations(), `${model}, before`).toEqual([]);
      if (model === posts) await fill({ text: 'Fire at the old mill' });
      else await fill({ plan: 'pro', tenure_months: 3 });
      await submit();
      expect(await violations(), `${model}, answered`).toEqual([]);
    }
  });

  const violations = () =>
    page.evaluate(async () => {
      const run = (window as unknown as { axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> } }).axe.run;
      return (await run()).violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html.slice(0, 160)}`);
    });
});
