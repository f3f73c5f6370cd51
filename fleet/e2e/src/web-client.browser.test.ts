import { readFileSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { golden as goldenSchema } from '@serin/protocol/bundle/golden';
import type { Variant } from '@serin/protocol/bundle/manifest';
import { signDocument } from '@serin/protocol/bundle/signing';
import type { Digest } from '@serin/protocol/ids';
import { openBrowser, type Browser } from './harness/chromium.ts';
import { isMissing } from './harness/missing.ts';
import { makeSignedVersion, startWebOrigin, withPart, type SignedVersion, type WebOrigin } from './harness/web-origin.ts';

const source = fileURLToPath(new URL('../../../web-client', import.meta.url));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let folder: string;
let version: SignedVersion;
let origin: WebOrigin;
let browser: Browser;

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'serin-web-'));
  const app = path.join(folder, 'app');
  await build({ root: source, configFile: path.join(source, 'vite.config.ts'), logLevel: 'error', build: { outDir: app, emptyOutDir: true } });
  version = await makeSignedVersion();
  origin = await startWebOrigin(app, version);
}, 300_000);

afterEach(async () => {
  await browser?.close();
  origin.version = version;
  origin.requests.length = 0;
});

afterAll(async () => {
  await origin?.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Opened {
  page: Page;
  complaints: string[];
}

async function openPage(query = ''): Promise<Opened> {
  browser = await openBrowser(origin.url);
  return browser.open(`${origin.url}/web/${query}`);
}

const live = (page: Page) => page.locator('[data-testid="web-state"][data-state="live"]').waitFor();
const figure = (page: Page, name: string) => page.locator(`[data-figure="${name}"]`);
const inferences = async (page: Page): Promise<number> => Number(await page.getByTestId('web-inferences').getAttribute('data-count'));
const untilInferences = (page: Page, least: number) =>
  page.waitForFunction((wanted) => Number(document.querySelector('[data-testid="web-inferences"]')?.getAttribute('data-count')) >= wanted, least);

describe.skipIf(isMissing('chromium'))('a signed version in a page', () => {
  test('is verified, passes its golden vectors and infers, under the content policy and without leaving its origin', async () => {
    const { page, complaints } = await openPage();
    await live(page);
    expect(await page.getByTestId('web-version').textContent()).toContain('version 3');
    expect(await figure(page, 'golden').textContent()).toMatch(/largest difference .+ allowed/);
    const before = await inferences(page);
    await untilInferences(page, before + 20);
    expect([...version.content.labels, 'Nothing']).toContain(await figure(page, 'prediction').textContent());
    await page.locator('.marks rect, .marks circle').first().waitFor();
    expect(complaints).toEqual([]);
  });

  test('is fetched and measured once: a reload verifies the cached files again, asks for none of them and runs the same variant', async () => {
    const { page } = await openPage();
    await live(page);
    expect(origin.requests.some((path) => path.startsWith('/blobs/'))).toBe(true);
    const measured = await page.locator('li[data-variant]').evaluateAll((items) => items.map((item) => item.textContent ?? ''));
    expect(new Set(measured.map((line) => line.split(':')[0]))).toEqual(new Set(variants()));
    for (const line of measured) expect(line).toMatch(/B, median \d[\d.]* ms, nine of ten within \d[\d.]* ms$/);
    const chosen = await figure(page, 'variant').textContent();
    expect(await page.getByTestId('web-version').textContent()).toContain(chosen);
    origin.requests.length = 0;
    await page.reload();
    await live(page);
    expect(origin.requests.filter((path) => path.startsWith('/blobs/'))).toEqual([]);
    expect(await page.getByText('all from the cache of verified files').count()).toBe(1);
    expect(await figure(page, 'variant').textContent()).toBe(chosen);
    expect(await page.locator('li[data-variant]').allTextContents()).toEqual(measured);
  });

  test('goes without a variant that misses its golden vectors, and says why', async () => {
    const [bad = 'fp32', ...others] = variants();
    origin.version = await withWrongGolden(version, bad);
    const { page } = await openPage();
    await live(page);
    expect(others).toContain(await figure(page, 'variant').textContent());
    expect(await page.locator(`li[data-variant="${bad}"]`).textContent()).toBe(`${bad}: out, GOLDEN_MISMATCH`);
  });

  test('shows drift when the light changes', async () => {
    const { page } = await openPage();
    await live(page);
    await page.locator('[data-slider="level"]').fill('0.5');
    await page.locator('[data-figure="drift"][data-tone="bad"]').waitFor({ timeout: 60_000 });
    expect(Number(await page.locator('[data-psi="brightness"]').textContent())).toBeGreaterThan(0.1);
  });

  test.each(['light', 'dark'] as const)('is accessible in the %s theme', async (colorScheme) => {
    const { page } = await openPage();
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await live(page);
    await untilInferences(page, 20);
    await page.evaluate(axe);
    const violations = await page.evaluate(async () => {
      const run = (window as unknown as { axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> } }).axe.run;
      return (await run()).violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html.slice(0, 160)}`);
    });
    expect(violations).toEqual([]);
  });
});

async function untilRefused(page: Page): Promise<string | null> {
  const code = page.locator('[data-code]');
  await code.waitFor();
  expect(await page.getByTestId('web-state').getAttribute('data-state')).toBe('refused');
  expect(await page.locator('canvas').count()).toBe(0);
  return code.getAttribute('data-code');
}

const modelFile = () => version.content.files.find(({ role }) => role === 'model')!;
/** Which there are beside float was decided when it was made. */
const variants = (): Variant[] => version.content.files.flatMap(({ role, variant }) => (role === 'model' && variant !== undefined ? [variant] : []));

async function withWrongGolden(before: SignedVersion, wanted: Variant): Promise<SignedVersion> {
  const file = before.content.files.find(({ role, variant }) => role === 'golden' && variant === wanted)!;
  const golden = goldenSchema.parse(JSON.parse(new TextDecoder().decode(before.blobs.get(file.sha256))));
  golden.vectors[0]!.outputs['detections']![1]! += 5;
  return withPart(before, { role: 'golden', variant: wanted, path: file.path, bytes: new TextEncoder().encode(JSON.stringify(golden)) });
}

function withBlob(digest: Digest, change: (bytes: Uint8Array) => void): SignedVersion {
  const bytes = Uint8Array.from(version.blobs.get(digest) ?? []);
  change(bytes);
  return { ...version, blobs: new Map(version.blobs).set(digest, bytes) };
}

describe.skipIf(isMissing('chromium'))('a version that is not what was signed is refused with its code on the screen, and nothing runs', () => {
  test('one flipped bit in the model', async () => {
    origin.version = withBlob(modelFile().sha256, (bytes) => {
      bytes[20_000]! ^= 1;
    });
    const { page } = await openPage();
    expect(await untilRefused(page)).toBe('BUNDLE_DIGEST_MISMATCH');
  });

  test('one flipped bit in the list of chunks', async () => {
    origin.version = withBlob(modelFile().chunkRoot, (bytes) => {
      bytes[0]! ^= 1;
    });
    const { page } = await openPage();
    expect(await untilRefused(page)).toBe('BUNDLE_DIGEST_MISMATCH');
  });

  test('a manifest signed by a stranger', async () => {
    origin.version = { ...version, manifest: await signDocument('manifest', version.content, [version.stranger]) };
    const { page } = await openPage();
    expect(await untilRefused(page)).toBe('BUNDLE_SIGNATURE_INVALID');
  });

  test('another root than the page was told to expect', async () => {
    const { page } = await openPage(`?root=${version.stranger.id}`);
    expect(await untilRefused(page)).toBe('KEYSET_INVALID');
  });

  test('an unknown model', async () => {
    const { page } = await openPage('?model=missing');
    expect(await untilRefused(page)).toBe('NOT_FOUND');
  });

  test('golden vectors that no variant of the model reproduces', async () => {
    let none = version;
    for (const variant of variants()) none = await withWrongGolden(none, variant);
    origin.version = none;
    const { page } = await openPage();
    expect(await untilRefused(page)).toBe('GOLDEN_MISMATCH');
  });

  test('what was damaged is fetched again once it is whole', async () => {
    origin.version = withBlob(modelFile().sha256, (bytes) => {
      bytes[0]! ^= 1;
    });
    const { page } = await openPage();
    await untilRefused(page);
    origin.version = version;
    await page.getByRole('button', { name: 'Try again' }).click();
    await live(page);
  });
});
