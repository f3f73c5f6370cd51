import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openBrowser, type Browser } from './harness/chromium.ts';
import { answersFor, makeDatasets, makeRun } from './harness/console-data.ts';
import { consoleFolder, startConsoleOrigin, type ConsoleOrigin } from './harness/console-origin.ts';
import { isMissing } from './harness/missing.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const screens = [
  '/data',
  '/data?source=new',
  '/data?source=billing',
  '/data/churn',
  '/data/parts',
  '/data/churn/4?column=monthly_charges',
  '/data/churn/2',
  '/data/nothing/9',
  '/runs?pick=best%2Colder',
  '/runs/best',
  '/runs/live?jobs=job-live',
  '/runs/broken',
  '/runs/other',
  '/runs/compare?left=older&right=best',
  '/runs/compare',
  '/pipelines',
  '/pipelines/churn',
] as const;

describe.skipIf(isMissing('chromium'))('data, runs and pipelines in a real browser', () => {
  let origin: ConsoleOrigin;
  let browser: Browser;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    origin = await startConsoleOrigin({});
    browser = await openBrowser(origin.url);
    ({ page, complaints } = await browser.open('about:blank'));
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    await origin?.close();
  }, 60_000);

  beforeEach(() => {
    origin.answers = answersFor(Date.now());
    origin.changes.length = 0;
    complaints.length = 0;
  });

  const go = async (screen: string): Promise<void> => {
    await page.goto(`${origin.url}${screen}`);
    await page.locator('main h1').waitFor();
    // Neither a page nor a part of it is still being fetched.
    await page.waitForFunction(() => document.querySelector('main [aria-busy], main div.animate-pulse-soft') === null);
  };

  test.each(['light', 'dark'] as const)(
    'every screen is accessible in the %s theme, and none scrolls sideways on a phone or a tablet',
    async (colorScheme) => {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      const violations: string[] = [];
      for (const screen of screens) {
        await go(screen);
        await page.evaluate(axe);
        const found = await page.evaluate(async () => {
          const run = (window as unknown as { axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> } }).axe.run;
          return (await run()).violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html.slice(0, 200)}`);
        });
        violations.push(...found.map((words) => `${screen}: ${words}`));
        for (const width of [390, 1024]) {
          await page.setViewportSize({ width, height: 900 });
          const beyond = await page.evaluate(async () => {
            // A frame for the new width, and one for what is measured in it.
            for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
            return document.documentElement.scrollWidth - document.documentElement.clientWidth;
          });
          if (beyond > 0) violations.push(`${screen}: at ${width} px it scrolls sideways by ${beyond}`);
        }
        await page.setViewportSize({ width: 1440, height: 900 });
      }
      expect(violations).toEqual([]);
      // What is not there is told by the server, which the browser logs; anything else would be a fault.
      expect(complaints.filter((words) => !words.includes('404'))).toEqual([]);
    },
    180_000,
  );

  test('a quarantined batch says why, and is released with a note by keyboard alone', async () => {
    await go('/');
    await page.getByRole('link', { name: 'Review the batch' }).click();
    await page.waitForURL('**/data/churn/4');
    const quarantine = page.getByTestId('quarantine');
    expect(await quarantine.textContent()).toContain('cancel_reason tells the label almost alone');
    expect(await page.getByTestId('anomaly').evaluateAll((all) => all.map((each) => (each as HTMLElement).dataset.severity))).toEqual([
      'error',
      'error',
      'warning',
      'warning',
    ]);
    await quarantine.getByRole('button', { name: 'Release' }).focus();
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog');
    expect(await dialog.textContent()).toContain('Its 700 rows are added to the version that is the newest usable one now');
    await dialog.getByRole('textbox').focus();
    await page.keyboard.type('the reason is known beforehand');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await dialog.waitFor({ state: 'detached' });
    expect(origin.changes).toMatchObject([
      { route: 'releaseDatasetVersion', call: { params: { name: 'churn', version: '4' }, body: { note: 'the reason is known beforehand' } } },
    ]);
    await quarantine.waitFor({ state: 'detached' });
    expect(await page.getByTestId('dataset-status').textContent()).toBe('Ready');
  });

  test('a viewer sees why the buttons cannot be pressed, and presses nothing', async () => {
    origin.answers = answersFor(Date.now(), 'viewer');
    await go('/data/churn/4');
    const drop = page.getByRole('button', { name: 'Drop' });
    await drop.click({ force: true });
    await page.getByRole('tooltip').waitFor();
    expect(await page.getByRole('tooltip').textContent()).toContain('Needs the role operator');
    expect(await page.getByRole('dialog').count()).toBe(0);
    await go('/data?source=new');
    expect(await page.getByRole('dialog').count()).toBe(0);
    expect(await page.getByRole('button', { name: 'Forget billing' }).count()).toBe(0);
    expect(origin.changes).toEqual([]);
  });

  test('a source is declared with names of variables in place of secrets', async () => {
    await go('/data');
    await page.getByRole('button', { name: 'Declare a source' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name', { exact: true }).fill('orders');
    await dialog.getByLabel('Dataset it feeds').fill('churn');
    await dialog.getByLabel('Kind', { exact: true }).selectOption('s3');
    await dialog.getByLabel('Endpoint').fill('https://objects.example');
    await dialog.getByLabel('Bucket').fill('orders');
    await dialog.getByLabel('Variable with the secret key').fill('hunter2');
    await dialog.getByRole('button', { name: 'Declare the source' }).click();
    await dialog.getByText('The name of a variable that begins with SERIN_SOURCE_').waitFor();
    expect(origin.changes).toEqual([]);
    await dialog.getByLabel('Variable with the secret key').fill('SERIN_SOURCE_ORDERS_KEY');
    await dialog.getByRole('button', { name: 'Declare the source' }).click();
    await dialog.waitFor({ state: 'detached' });
    expect(origin.changes).toMatchObject([
      { route: 'setSource', call: { body: { name: 'orders', settings: { kind: 's3', keySecret: 'SERIN_SOURCE_ORDERS_KEY' } } } },
    ]);
  });

  test('filters and choices are in the address, and two chosen runs are compared', async () => {
    await go('/runs');
    await page.getByLabel('Status').selectOption('FAILED');
    await page.waitForURL('**/runs?status=FAILED');
    expect(await page.getByTestId(/^run-(?!status)/).count()).toBe(1);
    await page.goBack();
    await go('/runs?pipeline=churn');
    await page.getByTestId('run-older').getByRole('checkbox').check();
    await page.getByTestId('run-best').getByRole('checkbox').check();
    await page.getByRole('region', { name: 'Chosen runs' }).getByRole('link', { name: 'Compare' }).click();
    await page.waitForURL('**/runs/compare?left=older&right=best');
    expect(await page.getByTestId('same-weights').getAttribute('data-same')).toBe('false');
    expect(await page.getByRole('row', { name: /train\.trees/ }).textContent()).toContain('200300');
    await page.getByRole('link', { name: 'Swap' }).click();
    await page.waitForURL('**/runs/compare?left=best&right=older');
  });

  test('a run goes on the screen as the stream tells it, and its charts are read by arrow keys and as tables', async () => {
    await go('/runs/live');
    await page.locator('[data-testid="stage-train"][data-state="running"]').waitFor();
    const now = Date.now();
    const finished = makeRun('live', now, { createdAt: now - 40_000, finishedAt: now });
    const stages = finished.stages.map((stage) => ({ ...stage, state: 'done' as const }));
    origin.push({ type: 'run', run: { ...finished, status: 'RUNNING', finishedAt: null, stages } });
    await page.locator('[data-testid="stage-train"][data-state="done"]').waitFor();
    const chart = page.getByRole('slider', { name: /^Loss/ });
    await chart.focus();
    const before = await chart.getAttribute('aria-valuetext');
    await page.keyboard.press('ArrowLeft');
    expect(await chart.getAttribute('aria-valuetext')).not.toBe(before);
    expect(await chart.getAttribute('aria-valuetext')).toMatch(/^step \d+: training loss 0\.\d+, validation loss 0\.\d+$/);
    await page.locator('figure', { has: chart }).getByRole('button', { name: 'View as table' }).click();
    expect(await page.getByRole('region', { name: 'Loss' }).getByRole('row').count()).toBe(21);
  });

  test('a run is repeated from its page, and a repetition says whether the same came out', async () => {
    await go('/runs/again');
    expect(await page.getByTestId('verdict').getAttribute('data-identical')).toBe('true');
    await go('/runs/other');
    expect(await page.getByTestId('verdict').textContent()).toContain('Environment ort: 1.23.0 then, 1.24.1 now');
    await page.getByRole('button', { name: 'Repeat' }).click();
    await page.waitForURL('**/runs/live');
    expect(origin.changes).toMatchObject([{ route: 'repeatRun', call: { params: { id: 'other' } } }]);
  });

  test('a job in the drawer leads to its run, and the palette knows data, runs and pipelines', async () => {
    await go('/?jobs=job-live');
    await page.getByRole('dialog').getByRole('link', { name: 'See the run' }).click();
    await page.waitForURL('**/runs/live**');
    await go('/data');
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox').fill('parts');
    await page.getByRole('option', { name: 'parts Dataset' }).waitFor();
    await page.keyboard.press('Enter');
    await page.waitForURL('**/data/parts');
  });

  test('a batch that goes into quarantine shows at once in the list', async () => {
    await go('/data');
    const [churn] = makeDatasets(Date.now());
    if (churn === undefined) throw new Error('no dataset');
    origin.push({ type: 'dataset', dataset: { ...churn, quarantined: 3 } });
    await page.getByTestId('dataset-churn').getByText('3 quarantined').waitFor();
  });

  test('nothing yet is one sentence and one command to copy', async () => {
    origin.answers = { ...origin.answers, listDatasets: () => ({ items: [] }), listRuns: () => ({ items: [] }), listPipelines: () => ({ items: [] }) };
    for (const [screen, command] of [
      ['/data', 'npm run serin -- data push NAME data.csv --label COLUMN'],
      ['/runs', 'npm run serin -- pipeline run pipeline.json'],
      ['/pipelines', 'npm run serin -- pipeline init table'],
    ] as const) {
      await go(screen);
      await page.getByText(command).waitFor();
      expect(await page.getByRole('button', { name: 'Copy command' }).count()).toBe(1);
    }
  });

  test('the first page stays within 180 KB of code and 20 KB of style, all pages within 350 KB', async () => {
    const loaded = new Set<string>();
    page.on('request', (request) => loaded.add(new URL(request.url()).pathname));
    await go('/');
    const packed = (file: string): number => gzipSync(readFileSync(path.join(consoleFolder, file)), { level: 9 }).length;
    const sum = (files: Iterable<string>, kind: string): number =>
      [...files].filter((file) => file.endsWith(kind)).reduce((bytes, file) => bytes + packed(file), 0);
    const all = readdirSync(path.join(consoleFolder, 'assets')).map((file) => `assets/${file}`);
    expect(sum(loaded, '.js')).toBeGreaterThan(50_000);
    expect(sum(loaded, '.js')).toBeLessThanOrEqual(180_000);
    expect(sum(loaded, '.css')).toBeLessThanOrEqual(20_000);
    expect(sum([...all, 'theme.js'], '.js')).toBeLessThanOrEqual(350_000);
  });
});
