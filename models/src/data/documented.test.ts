import sharp from 'sharp';
import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import { blocksOf, readPage, snippetsMissing } from '../testing/page.ts';
import { documented } from './testing/documented.ts';
import { temporaryFolder, writeFiles } from './testing/pictures.ts';

test('every snippet of the page on data is code that compiles and runs', async () => {
  const page = await readPage('data.md');
  expect(blocksOf(page, 'ts').length).toBeGreaterThan(1);
  expect(await snippetsMissing(page, new URL('testing/documented.ts', import.meta.url))).toEqual([]);
});

/** A picture of stripes along its width or its height, of a width and phase of their own. */
function stripes(seed: string, upright: boolean): Promise<Buffer> {
  const random = seededRandom(seed);
  const [width, height, period, phase] = [40 + random.integer(20), 40 + random.integer(20), 6 + random.integer(8), random.integer(12)];
  const pixels = Uint8Array.from({ length: width * height * 3 }, (_, at) => {
    const along = upright ? Math.floor(at / 3) % width : Math.floor(at / 3 / width);
    return (along + phase) % period < period / 2 ? 220 : 40;
  });
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

test('a network learns from a folder of pictures, with the same weights from a thread of its own as from this one', async () => {
  const { folder, remove } = await temporaryFolder();
  for (let at = 0; at < 40; at += 1) {
    await writeFiles(folder, { [`across/${at}.png`]: await stripes(`across ${at}`, false), [`upright/${at}.png`]: await stripes(`upright ${at}`, true) });
  }
  const lines: string[] = [];
  const [threaded, plain] = await documented(folder, (line) => lines.push(line));
  await remove();
  expect(lines.at(-1)).toBe('checked 80 of 80');
  expect(threaded?.digest).toBe(plain?.digest);
  expect(threaded?.loss).toBeLessThan(0.35);
});
