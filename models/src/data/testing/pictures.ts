import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

import sharp from 'sharp';

import { seededRandom } from '@serin/inference/random';

/** A folder that is gone after the test. */
export async function temporaryFolder(): Promise<{ readonly folder: string; readonly remove: () => Promise<void> }> {
  const folder = await realpath(await mkdtemp(path.join(os.tmpdir(), 'serin-data-')));
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

export type PictureFormat = 'jpeg' | 'png' | 'webp' | 'tiff' | 'gif';

/** A picture of random blocks of 8x8, so that any two seeds give two pictures and every format keeps them roughly. */
export async function drawPicture(seed: number | string, width: number, height: number, format: PictureFormat = 'png'): Promise<Buffer> {
  const random = seededRandom(seed);
  const columns = Math.ceil(width / 8);
  const colours = Array.from({ length: columns * Math.ceil(height / 8) }, () => random.bits());
  const pixels = Buffer.alloc(width * height * 3);
  for (let at = 0; at < pixels.length; at += 1) {
    const pixel = Math.floor(at / 3);
    const block = Math.floor(Math.floor(pixel / width) / 8) * columns + Math.floor((pixel % width) / 8);
    pixels[at] = ((colours[block] ?? 0) >>> ((at % 3) * 8)) & 255;
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .toFormat(format)
    .toBuffer();
}

/** Writes files by their paths below the folder. */
export async function writeFiles(folder: string, files: Readonly<Record<string, Buffer | string>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content);
  }
}
