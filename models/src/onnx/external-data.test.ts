import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { createGraphBuilder } from './builder.ts';
import { openModelFile } from './external-data.ts';
import { createModel, floats } from './graph.ts';
import { readModel, readProto, writeModel } from './model-file.ts';
import { modelTable } from './schema.ts';
import { encodeMessage } from './wire.ts';

let folder = '';
let file = '';
const values = [1, 2, 3, 4];

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'serin-onnx-'));
  await mkdir(path.join(folder, 'model', 'parts'), { recursive: true });
  file = path.join(folder, 'model', 'model.onnx');
  const weights = new Uint8Array(Float32Array.from([9, 9, ...values]).buffer);
  for (const place of ['secret.bin', 'model/weights.bin', 'model/parts/weights.bin']) await writeFile(path.join(folder, place), weights);
});
afterEach(() => rm(folder, { recursive: true }));

function modelWith(entries: Record<string, string>): Uint8Array {
  const builder = createGraphBuilder('g');
  const x = builder.input('x', 'float32', [2, 2]);
  builder.add('MatMul', [x, builder.constant(floats([2, 2], values), 'weight')], {}, ['y']);
  builder.output('y', 'float32', [2, 2]);
  const proto = readProto(writeModel(createModel(builder.finish())));
  for (const tensor of proto.graph.initialisers) {
    delete tensor.rawData;
    tensor.dataLocation = 1;
    tensor.externalData = Object.entries(entries).map(([key, value]) => ({ key, value }));
  }
  return encodeMessage(proto, modelTable);
}

async function opening(entries: Record<string, string>, sizeBytesMax?: number) {
  await writeFile(file, modelWith(entries));
  return openModelFile(file, sizeBytesMax === undefined ? {} : { sizeBytesMax });
}

test('weights in files of the model’s own folder are read at their offset', async () => {
  for (const location of ['weights.bin', 'parts/weights.bin', './parts/../weights.bin']) {
    for (const length of [{ length: '16' }, {}]) {
      const model = await opening({ location, offset: '8', ...length });
      expect(model.graph.initialisers.get('weight')).toEqual(floats([2, 2], values));
      expect(readModel(writeModel(model))).toEqual(model);
    }
  }
});

test('a model with all weights in one file needs no other', async () => {
  const builder = createGraphBuilder('g');
  builder.add('Relu', [builder.input('x', 'float32', [1])], {}, ['y']);
  builder.output('y', 'float32', [1]);
  const model = createModel(builder.finish());
  await writeFile(file, writeModel(model));
  expect(await openModelFile(file)).toEqual(model);
});

test('no path leads out of the folder, and nothing but a plain file is read', async () => {
  await symlink(path.join(folder, 'secret.bin'), path.join(folder, 'model', 'link.bin'));
  await symlink(folder, path.join(folder, 'model', 'up'));
  const outside = [
    '../secret.bin',
    'parts/../../secret.bin',
    path.join(folder, 'secret.bin'),
    path.join(folder, 'model', 'weights.bin'),
    'link.bin',
    'up/secret.bin',
  ];
  for (const location of outside) {
    await expect(opening({ location }), location).rejects.toMatchObject({ code: 'MODEL_INVALID', message: expect.stringContaining('outside') });
  }
  for (const location of ['parts', 'none.bin', 'none/none.bin', '.', '', 'a\0b']) {
    await expect(opening({ location }), location).rejects.toMatchObject({ code: 'MODEL_INVALID', hint: expect.stringMatching(/\w/) });
  }
});

test('offsets and lengths that do not fit the file, the shape or the limit are refused', async () => {
  const location = 'weights.bin';
  for (const wrong of [
    { offset: '12' },
    { offset: '8', length: '17' },
    { offset: '24' },
    { offset: '25' },
    { offset: '-1' },
    { offset: '8.5' },
    { offset: '999999999999999999' },
    { offset: '0', length: '15' },
    { offset: '0', length: '24' },
  ]) {
    await expect(opening({ location, ...wrong }), JSON.stringify(wrong)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
  }
  const bytes = modelWith({ location, offset: '8' }).length;
  await expect(opening({ location, offset: '8' }, bytes)).resolves.toBeDefined();
  await writeFile(path.join(folder, 'model', 'weights.bin'), new Uint8Array(bytes + 100));
  await expect(opening({ location }, bytes)).rejects.toMatchObject({ message: expect.stringContaining('limit') });
  await expect(opening({ location }, bytes - 1)).rejects.toMatchObject({ message: expect.stringContaining('limit') });
});

test('a file that is not there, or is none, is said to be so', async () => {
  await expect(openModelFile(path.join(folder, 'none.onnx'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(openModelFile(folder)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
});
