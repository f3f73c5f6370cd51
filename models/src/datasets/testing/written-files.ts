import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { seededRandom } from '@serin/inference/random';

import type { NewFile } from '../store.ts';

/** The files that the version of this number adds: the same ones in every process. */
export async function writeRound(folder: string, round: number, files = 6): Promise<NewFile[]> {
  const random = seededRandom(round);
  await mkdir(folder, { recursive: true });
  const list: NewFile[] = [];
  for (let index = 0; index < files; index += 1) {
    const name = `${round}-${index}.csv`;
    const lines = Array.from({ length: 1 + random.integer(4000) }, () => `${random.integer(1e9)},${random.integer(2)}`);
    await writeFile(path.join(folder, name), `id,label\n${lines.join('\n')}\n`);
    list.push({ path: name, file: path.join(folder, name), rows: lines.length });
  }
  return list;
}
