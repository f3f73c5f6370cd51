import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium, type BrowserContext, type Page } from 'playwright-core';

export function chromiumBinary(): string | undefined {
  if (process.env.SERIN_TEST_CHROMIUM) return process.env.SERIN_TEST_CHROMIUM;
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'microsoft-edge'];
  return folders.flatMap((folder) => names.map((name) => path.join(folder, name))).find((file) => existsSync(file));
}

export interface Browser {
  context: BrowserContext;
  /** A page that fails the test on an uncaught error, a console error or a request to another origin. */
  open(url: string): Promise<{ page: Page; complaints: string[] }>;
  close(): Promise<void>;
}

/** The installed Chromium with a fresh profile and no traffic of its own. */
export async function openBrowser(origin: string, options: { colorScheme?: 'light' | 'dark'; width?: number; height?: number } = {}): Promise<Browser> {
  const executablePath = chromiumBinary();
  if (executablePath === undefined) throw new Error('no Chromium, Chrome or Edge on the PATH (Debian: chromium)');
  const profile = mkdtempSync(path.join(tmpdir(), 'serin-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    args: ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'],
    viewport: { width: options.width ?? 1440, height: options.height ?? 900 },
    colorScheme: options.colorScheme ?? 'light',
  });
  return {
    context,
    async open(url) {
      const page = await context.newPage();
      const complaints: string[] = [];
      page.on('pageerror', (error) => complaints.push(`uncaught: ${error.message}`));
      page.on('console', (message) => {
        if (message.type() === 'error') complaints.push(`console: ${message.text()}`);
      });
      page.on('request', (request) => {
        const target = new URL(request.url());
        if (['http:', 'https:'].includes(target.protocol) && target.origin !== origin) complaints.push(`off-origin request: ${request.url()}`);
      });
      await page.goto(url);
      return { page, complaints };
    },
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}
