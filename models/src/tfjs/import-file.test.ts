import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import { runOnnxCommand } from '../onnx/command.ts';
import { readModel } from '../onnx/model-file.ts';
import { importFile } from './import-file.ts';
import { openTfjs, type Tfjs } from './runtime.ts';
import { mobileNetwork, textClassifier } from './testing/network-rows.ts';
import { randomise, save, writeSaved } from './testing/saved.ts';

let folder = '';
let tf: Tfjs;
const at = (name: string): string => path.join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'serin-tfjs-'));
  ({ tf } = await openTfjs());
  for (const [name, model] of [
    ['mobile', mobileNetwork(tf, 24, 4)],
    ['text', textClassifier(tf)],
    ['odd', tf.sequential({ layers: [tf.layers.gru({ units: 2, inputShape: [3, 2], recurrentInitializer: 'zeros', name: 'g' })] })],
  ] as const) {
    randomise(tf, model, seededRandom(1));
    await writeSaved(at(name), await save(tf, model));
  }
});
afterAll(() => rm(folder, { recursive: true }));

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const code = await runOnnxCommand(argv, { out: (text) => (out += text), err: (text) => (err += text) });
  return { code, out, err };
}

test('one command writes the model and says what came in and how it compares', async () => {
  const { code, out, err } = await run('import-tfjs', at('mobile'), '-o', at('mobile.onnx'));
  expect([code, err]).toEqual([0, '']);
  expect(out).toContain('mobile: 26 layers became 29 nodes');
  expect(out).toContain('7 BatchNormalization');
  expect(out).toContain('inputs: image float32 [N, 24, 24, 3]\noutputs: classes float32 [N, 5]\n');
  expect(out).toMatch(/same outputs as @tensorflow\/tfjs.* on random inputs: they differ by \d/);
  const { graph } = readModel(await readFile(at('mobile.onnx')));
  expect(graph.outputs.map(({ name }) => name)).toEqual(['classes']);
  expect(await run('check', at('mobile.onnx'), '--dim', 'N=2')).toMatchObject({ code: 0, out: expect.stringMatching(/^sound/) });
});

test('recurrent layers are written as operators, or step by step when asked', async () => {
  const operators = async (...options: string[]): Promise<string[]> => {
    expect(await run('import-tfjs', path.join(at('text'), 'model.json'), at('text.onnx'), ...options)).toMatchObject({ code: 0 });
    return readModel(await readFile(at('text.onnx'))).graph.nodes.map(({ operator }) => operator);
  };
  expect((await operators()).filter((operator) => operator === 'LSTM').length).toBe(3);
  expect(await operators('--unroll', '--no-check')).not.toContain('LSTM');
});

test('without tfjs the model is imported all the same, and it is said how to get it', async () => {
  const said: string[] = [];
  const nowhere = [pathToFileURL(`${folder}/`).href];
  const { lines } = await importFile(at('mobile'), { places: nowhere, say: (text) => said.push(text) });
  expect(lines.length).toBe(4);
  expect(said).toEqual([expect.stringMatching(/not compared with tfjs: .*tfjs-node is not installed.*npm install/)]);
});

test('a model that would answer otherwise than tfjs is not written', async () => {
  const require = createRequire(import.meta.url);
  const [core, layers, cpu] = ['core', 'layers', 'backend-cpu'].map((name) => JSON.stringify(require.resolve(`@tensorflow/tfjs-${name}`)));
  const place = path.join(folder, 'node_modules/@tensorflow/tfjs-node');
  await mkdir(place, { recursive: true });
  // The native package of somebody whose tfjs adds one to everything.
  const source = `const core = require(${core}); const layers = require(${layers}); require(${cpu});
    const loadLayersModel = async (handler) => {
      const model = await layers.loadLayersModel(handler);
      const predict = model.predict.bind(model);
      return Object.assign(model, { predict: (x) => core.add(predict(x), 1) });
    };
    module.exports = Object.assign({}, core, layers, { loadLayersModel });`;
  await writeFile(path.join(place, 'index.js'), source);
  const options = { places: [pathToFileURL(`${folder}/`).href], say: () => undefined };
  await expect(importFile(at('mobile'), options)).rejects.toMatchObject({
    code: 'MODEL_UNSUPPORTED',
    detail: expect.stringContaining('those of @tensorflow/tfjs-node'),
  });
  expect((await importFile(at('mobile'), { ...options, compare: false })).lines.length).toBe(4);
  await rm(path.join(folder, 'node_modules'), { recursive: true });
});

test('what tfjs itself cannot run is imported, and it is said why nothing was compared', async () => {
  const document = JSON.parse(await readFile(path.join(at('odd'), 'model.json'), 'utf8')) as Record<string, never>;
  const text = JSON.stringify(document)
    .replace('"reset_after":false', '"reset_after":true')
    .replace('"name":"g/bias","shape":[6]', '"name":"g/bias","shape":[2,6]');
  const bytes = new Uint8Array((2 * 6 + 2 * 6 + 2 * 6) * 4);
  await writeSaved(at('odd'), { document: JSON.parse(text) as Record<string, unknown>, bytes });
  expect(await run('import-tfjs', at('odd'), '-o', at('odd.onnx'))).toMatchObject({
    code: 0,
    err: expect.stringMatching(/not compared with tfjs: .* does not run it: .*reset_after/),
  });
});

test('faults are lines with a code, and command lines that make no sense are said to be', async () => {
  expect(await run('import-tfjs', at('nowhere'), at('x.onnx'))).toMatchObject({ code: 4, err: expect.stringContaining('NOT_FOUND') });
  expect(await run('import-tfjs', at('mobile'))).toMatchObject({ code: 2, err: expect.stringContaining('one to write') });
  expect(await run('import-tfjs', at('mobile'), at('x.onnx'), '-o', at('y.onnx'))).toMatchObject({ code: 2 });
  expect(await run('import-tfjs', at('mobile'), '-o', at('x.onnx'), '--dim', 'M=3')).toMatchObject({
    code: 2,
    err: expect.stringContaining('no dimension is called M'),
  });
  expect(await run('check', at('mobile.onnx'), '-o', at('x.onnx'))).toMatchObject({ code: 2 });
});
