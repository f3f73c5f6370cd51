import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { importSpec, type ImportSpecInput } from '@serin/protocol/import-spec';
import { report as reportSchema } from '@serin/protocol/bundle/report';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { loadDigits, pictureAt, type DigitSet } from '../examples/digits/data.ts';
import { digitNames, side } from '../examples/digits/network.ts';
import type { Model } from '../onnx/graph.ts';
import { writeModel } from '../onnx/model-file.ts';
import { defineModel } from '../train/layers.ts';
import { softmaxCrossEntropy } from '../train/losses.ts';
import { adam } from '../train/optimiser.ts';
import { train } from '../train/train.ts';
import { importModel } from './import-model.ts';

let folder: string;
let model: Uint8Array;
const input = { scale: 1 / 255, mean: [0.13], deviation: [0.31] };

/** As other tools export it: normalised floats with the channel first, logits out. */
const network = (): Model =>
  defineModel('exported', 7, (nn) => {
    let x = nn.input('pixels', 'float32', [1, side, side]);
    x = nn.relu(nn.conv(x, 8, { stride: 2 }));
    x = nn.relu(nn.conv(x, 16, { stride: 2 }));
    nn.output('logits', nn.dense(nn.flatten(x), digitNames.length));
  });

async function exported({ pixels, labels, count }: DigitSet): Promise<Uint8Array> {
  const size = side * side;
  const { model: trained } = await train({
    model: network(),
    loss: softmaxCrossEntropy({ logits: 'logits' }),
    optimiser: adam(),
    source: {
      // They lie there class by class.
      examples: Math.floor(count / 3),
      fill: (thirds) => {
        const rows = thirds.map((third) => 3 * third);
        const data = new Float32Array(rows.length * size);
        const targets = new Float32Array(rows.length * digitNames.length);
        rows.forEach((row, place) => {
          for (let at = 0; at < size; at += 1) data[place * size + at] = ((pixels[row * size + at] ?? 0) / 255 - 0.13) / 0.31;
          targets[place * digitNames.length + (labels[row] ?? 0)] = 1;
        });
        return {
          feeds: { pixels: { type: 'float32', dims: [rows.length, 1, side, side], data } },
          targets: { targets: { type: 'float32', dims: [rows.length, digitNames.length], data: targets } },
        };
      },
    },
    seed: 7,
    batch: 32,
    epochs: 2,
    rate: 3e-3,
  });
  return writeModel(trained);
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'serin-import-'));
  const { train: learn, test: rest } = await loadDigits();
  model = await exported(learn);
  for (let index = 0; index < 400; index += 1) {
    const label = path.join(folder, 'digits', String(rest.labels[index * 4] ?? 0));
    await mkdir(label, { recursive: true });
    await writeFile(
      path.join(label, `${index}.png`),
      await sharp(pictureAt(rest, index * 4), { raw: { width: side, height: side, channels: 1 } })
        .png()
        .toBuffer(),
    );
  }
}, 60_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

const importIt = (spec: ImportSpecInput, given: { model?: Uint8Array; folder?: string } = {}) =>
  importModel({
    name: 'digits',
    model: given.model ?? model,
    spec: importSpec.parse(spec),
    folder: given.folder ?? path.join(folder, 'digits'),
    framesPerWindow: 30,
  });

test('a network exported elsewhere becomes a version that takes raw frames and answers with probabilities, in float and in 8 bits', async () => {
  const version = await importIt({ labels: [...digitNames], input });
  expect(version.gate.checks.filter(({ passed }) => !passed)).toEqual([]);
  expect(version).toMatchObject({
    task: 'image-classification',
    inputs: [{ dtype: 'uint8', shape: [-1, side, side, 1] }],
    outputs: [
      { name: 'probabilities', dtype: 'float32', shape: [-1, 10] },
      { name: 'embedding', dtype: 'float32', shape: [-1, 128] },
    ],
  });
  expect(version.metrics['accuracy']).toBeGreaterThan(0.8);
  const report = reportSchema.parse(JSON.parse(new TextDecoder().decode(version.files.find(({ role }) => role === 'report')?.bytes)));
  expect(report.assumptions).toContainEqual(expect.stringMatching(/^as it came: \d+ nodes \(.*Conv.*\), [\d.]+ k weights, [\d.]+ k multiply-adds a run$/));
  expect(report.variants.map(({ variant }) => variant)).toEqual(['fp32', 'u8s8', 'u8u8']);
  const shipped = report.variants.filter(({ ships }) => ships).map(({ variant }) => variant);
  const proven = version.files.filter(({ role }) => role === 'golden').map(({ variant }) => variant);
  expect(new Set(proven)).toEqual(new Set(shipped));
  expect(new Set(report.robustness?.perturbed.map(({ kind }) => kind))).toContain('fgsm');
}, 60_000);

const refusal = (spec: ImportSpecInput, given?: { model?: Uint8Array; folder?: string }) =>
  importIt(spec, given).then(
    () => undefined,
    (error: { code: string; detail?: string; hint: string }) => ({ code: error.code, detail: error.detail ?? '', hint: error.hint }),
  );

test('what is not known of a model is asked for, not guessed', async () => {
  const labels = [...digitNames];
  expect(await refusal({ labels })).toMatchObject({ code: 'MODEL_UNSUPPORTED', detail: expect.stringContaining('how the pixels of a frame become') });
  expect(await refusal({ input, answer: { kind: 'classes' } })).toMatchObject({
    detail: expect.stringContaining('no names'),
    hint: expect.stringContaining('--labels'),
  });
  expect(await refusal({ labels: labels.slice(1), input, answer: { kind: 'classes' } })).toMatchObject({
    detail: expect.stringContaining('there are 9 labels'),
  });
  expect(await refusal({ labels, input: { ...input, mean: [0.1, 0.2, 0.3] } })).toMatchObject({
    code: 'MODEL_UNSUPPORTED',
    detail: expect.stringContaining('mean'),
  });
});

test('pictures that cannot be read are told of all at once, by file, and too few are refused', async () => {
  const bad = path.join(folder, 'bad');
  await mkdir(bad, { recursive: true });
  await writeFile(path.join(bad, 'notes.txt'), 'not a picture');
  await writeFile(path.join(bad, 'half.png'), Buffer.from('89504e470d0a1a0a0000', 'hex'));
  expect(await refusal({ labels: [...digitNames], input }, { folder: bad })).toMatchObject({
    code: 'TRAINING_DATA_INVALID',
    detail: expect.stringMatching(/2 problems[^]*half\.png[^]*notes\.txt/),
  });
  const few = path.join(folder, 'few');
  await mkdir(few);
  const grey = { create: { width: 8, height: 8, channels: 3 as const, background: '#777' } };
  await writeFile(path.join(few, 'one.png'), await sharp(grey).png().toBuffer());
  await writeFile(path.join(few, 'copy.png'), await sharp(grey).png().toBuffer());
  expect(await refusal({ labels: [...digitNames], input }, { folder: few })).toMatchObject({
    code: 'TRAINING_DATA_INSUFFICIENT',
    detail: expect.stringContaining('1 different picture;'),
  });
});

test('pictures that do not say what they show: variants are held against what float answers', async () => {
  const version = await importIt({ labels: [...digitNames], input, quantise: { variants: ['fp16'] } }, { folder: path.join(folder, 'digits', '3') });
  expect(version.metrics).toEqual({});
  expect(version.gate.checks.find(({ name }) => name === 'quantisation_loss_fp16')?.words).toContain('accuracy');
});
