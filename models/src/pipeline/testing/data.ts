import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import sharp from 'sharp';
import { onTestFinished } from 'vitest';

import { seededRandom } from '@serin/inference/random';
import { checkPipeline } from '@serin/protocol/pipeline-file';
import type { PipelineFile } from '@serin/protocol/pipeline';

import type { PipelineHooks, PipelineRequest, PipelineResult } from '../request.ts';
import { runPipeline } from '../run-pipeline.ts';

/** A folder with files, and a cache beside them; gone when the test is over. */
export async function workshop(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'serin-pipeline-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Customers that leave when they pay much and have been here shortly: synthetic, with a category, gaps and noise. */
export function customers(rows: number, seed = 1): string {
  const random = seededRandom(seed);
  const lines = ['customer,plan,months,price,region,left'];
  for (let row = 0; row < rows; row += 1) {
    const plan = ['basic', 'plus', 'pro'][random.integer(3)] as string;
    const months = random.integer(60);
    const price = 10 + random.uniform() * 40;
    const bends = months < 12 && price > 30 ? 4 : months > 40 && price < 20 ? 3 : 0;
    const chance = 1 / (1 + Math.exp(-(bends - 1.8 + (plan === 'basic' ? 0.8 : 0))));
    lines.push(
      `c${row},${plan},${months},${random.uniform() < 0.05 ? '' : price.toFixed(2)},${'nesw'[random.integer(4)]},${random.uniform() < chance ? 'yes' : 'no'}`,
    );
  }
  return `${lines.join('\n')}\n`;
}

export const tablePipeline = (over: Record<string, unknown> = {}): PipelineFile =>
  checkPipeline({
    v: 1,
    name: 'churn',
    ingest: { files: ['customers.csv'], spec: { kind: 'table', label: 'left', id: 'customer' } },
    train: { kind: 'trees', trees: 40, leaves: 7, patience: 0 },
    evaluate: { slices: ['plan', 'region'], repeats: 200 },
    ...over,
  });

/** Messages whose words tell what they are: synthetic. */
export function messages(rows: number, seed = 1): string {
  const random = seededRandom(seed);
  const words = { spam: ['win', 'money', 'free', 'prize', 'click', 'offer'], ham: ['meeting', 'report', 'lunch', 'team', 'draft', 'thanks'] };
  const both = ['the', 'a', 'today', 'please', 'for', 'you', 'we', 'is', 'new', 'this'];
  const lines = ['text,label'];
  for (let row = 0; row < rows; row += 1) {
    const label = random.uniform() < 0.4 ? 'spam' : 'ham';
    const text = Array.from({ length: 6 + random.integer(10) }, () => {
      const list = random.uniform() < 0.25 ? words[random.uniform() < 0.9 ? label : label === 'spam' ? 'ham' : 'spam'] : both;
      return list[random.integer(list.length)];
    });
    lines.push(`"${text.join(' ')} ${row}",${label}`);
  }
  return `${lines.join('\n')}\n`;
}

/** Folders of discs and bars on noise: synthetic. */
export async function writePictures(folder: string, each: number, seed = 1): Promise<void> {
  const side = 24;
  for (const name of ['bar', 'disc']) {
    await mkdir(path.join(folder, name), { recursive: true });
    for (let index = 0; index < each; index += 1) {
      const random = seededRandom(`${seed}/${name}/${index}`);
      const [cx, cy] = [8 + random.integer(8), 8 + random.integer(8)];
      const pixels = Uint8Array.from({ length: side * side }, (_, at) => {
        const [x, y] = [(at % side) - cx, Math.floor(at / side) - cy];
        const inside = name === 'disc' ? x * x + y * y < 30 : Math.abs(x) < 9 && Math.abs(y) < 2;
        return (inside ? 170 : 60) + random.integer(40);
      });
      await writeFile(
        path.join(folder, name, `${index}.png`),
        await sharp(pixels, { raw: { width: side, height: side, channels: 1 } })
          .png()
          .toBuffer(),
      );
    }
  }
}

/** Runs a pipeline whose files lie in the folder. */
export const runIn = (folder: string, file: PipelineFile, hooks: PipelineHooks = {}, over: Partial<PipelineRequest> = {}): Promise<PipelineResult> =>
  runPipeline({ file, inputs: (name) => path.resolve(folder, name), cacheFolder: path.join(folder, '.cache'), threads: 1, ...over }, hooks);

/** `ingest validate`: the stages that were executed, not taken from the cache. */
export const executed = ({ report }: Pick<PipelineResult, 'report'>): string =>
  report.stages
    .filter(({ state }) => state === 'done')
    .map(({ name }) => name)
    .join(' ');
