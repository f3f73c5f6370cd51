import { createServer, type Server } from 'node:http';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import type { Page } from 'playwright-core';
import { seededRandom } from '@serin/inference/random';
import type { TreeEnsemble } from '@serin/inference/trees/ensemble';
import { answerWidth, predictTrees, rowMajor } from '@serin/inference/trees/predict';
import { randomEnsemble, randomRows } from '@serin/inference/trees/testing/random-ensemble';
import { writeModel } from '@serin/models/onnx/model-file';
import { runModel } from '@serin/models/onnx/session';
import { exportTrees } from '@serin/models/trees/export-trees';
import { trainTrees } from '@serin/models/trees/train-trees';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBrowser, type Browser } from './harness/chromium.ts';
import { isMissing } from './harness/missing.ts';

const runtimeFolder = path.join(path.dirname(createRequire(import.meta.url).resolve('onnxruntime-web/wasm')));
const types = new Map([
  ['.mjs', 'text/javascript'],
  ['.wasm', 'application/wasm'],
]);

const html = `<!doctype html><title>trees</title><link rel="icon" href="data:,">
<script type="module">import * as runtime from '/ort.wasm.min.mjs'; globalThis.runtime = runtime;</script>`;

/** A page with nothing but the runtime. */
function serveRuntime(): Promise<Server> {
  const server = createServer((request, response) => {
    const name = path.basename(request.url ?? '/');
    const type = types.get(path.extname(name));
    if (type !== undefined) response.setHeader('content-type', type).end(readFileSync(path.join(runtimeFolder, name)));
    else response.setHeader('content-type', 'text/html').end(html);
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}

interface Answered {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

interface Session {
  run(feeds: Record<string, unknown>): Promise<Record<string, Answered>>;
  release(): Promise<void>;
}

/** What is used of the runtime, which the page loads by itself. */
interface Runtime {
  readonly InferenceSession: { create(model: Uint8Array, options: { executionProviders: string[] }): Promise<Session> };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => unknown;
  readonly env: { readonly wasm: { numThreads: number } };
}

interface Question {
  readonly model: string;
  readonly dims: readonly [rows: number, features: number];
  /** Single precision, as it lies in memory. */
  readonly values: string;
}

interface Answer {
  readonly name: string;
  readonly dims: readonly number[];
  readonly values: number[];
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');

/** Runs in the page. */
async function answerInPage({ model, dims, values }: Question): Promise<Answer> {
  const { runtime } = globalThis as unknown as { runtime: Runtime };
  runtime.env.wasm.numThreads = 1;
  const bytesOf = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(atob(text), (character) => character.codePointAt(0) ?? 0);
  const session = await runtime.InferenceSession.create(bytesOf(model), { executionProviders: ['wasm'] });
  const features = new runtime.Tensor('float32', new Float32Array(bytesOf(values).buffer), [...dims]);
  const [found] = Object.entries(await session.run({ features }));
  await session.release();
  if (found === undefined) throw new Error('the model answers nothing');
  const [name, tensor] = found;
  return { name, dims: tensor.dims, values: Array.from(tensor.data) };
}

describe.skipIf(isMissing('chromium'))('trees in a page', () => {
  let server: Server;
  let browser: Browser;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    server = await serveRuntime();
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    browser = await openBrowser(origin);
    ({ page, complaints } = await browser.open(origin));
    await page.waitForFunction(() => 'runtime' in globalThis);
  });

  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  /** The same rows are asked of the runtime of browsers, of Node's and of our own predictor. */
  async function expectSameAnswers(trees: TreeEnsemble, values: Float32Array): Promise<void> {
    const width = trees.levels.length;
    const rows = values.length / width;
    const model = exportTrees(trees);
    const name = trees.link === 'identity' ? 'value' : 'probabilities';
    const question: Question = {
      model: base64(writeModel(model)),
      dims: [rows, width],
      values: base64(new Uint8Array(values.buffer, values.byteOffset, values.byteLength)),
    };
    const inPage = await page.evaluate(answerInPage, question);
    const onNode = await runModel(model, new Map([['features', { type: 'float32', dims: [rows, width], data: values }]]));
    const ours = predictTrees(trees, rowMajor(values, width), rows);
    expect([inPage.name, inPage.dims]).toEqual([name, [rows, answerWidth(trees)]]);
    const apart = (others: ArrayLike<number> | undefined): number =>
      inPage.values.reduce((most, found, at) => Math.max(most, Math.abs(found - (others?.[at] ?? Number.NaN)) / Math.max(1, Math.abs(found))), 0);
    expect(apart(onNode.get(name)?.data as Float32Array)).toBeLessThan(1e-5);
    expect(apart(ours)).toBeLessThan(1e-5);
  }

  test.each([
    ['identity', 1],
    ['logistic', 1],
    ['softmax', 3],
  ] as const)('answer as on Node and as our predictor, whatever they ask: %s', async (link, outputs) => {
    const levelsOf = [[0], [0, 0, 0], [2, 31], [32, 33, 0], [0, 64, 65], [200, 0, 5, 0, 1000]];
    for (const [round, levels] of [...levelsOf, ...levelsOf].entries()) {
      const random = seededRandom(`${link} ${round}`);
      const trees = randomEnsemble(random, { link, outputs, levels, trees: round, leavesMax: 24 });
      await expectSameAnswers(trees, randomRows(random, levels, 60));
    }
    expect(complaints).toEqual([]);
  });

  test('answer so as well when they have learned numbers, what is missing and categories of many levels', async () => {
    const random = seededRandom('learned');
    const rows = 1500;
    const levels = Array.from({ length: 90 }, (_, level) => `level ${level}`);
    const columns = [{ kind: 'number', name: 'x' } as const, { kind: 'category', name: 'c', levels } as const];
    const x = Float32Array.from({ length: rows }, () => (random.uniform() < 0.1 ? Number.NaN : random.normal()));
    const c = Float32Array.from({ length: rows }, () => (random.uniform() < 0.1 ? Number.NaN : random.integer(80)));
    const known = (value: number | undefined): number => (value === undefined || Number.isNaN(value) ? 1 : value);
    const target = Float64Array.from(x, (value, row) => known(value) + ((known(c[row]) * 37) % 5));
    const features = { rows, columns, values: Float32Array.of(...x, ...c) };
    const asked = Float32Array.from({ length: 800 }, (_, at) =>
      random.uniform() < 0.1 ? Number.NaN : at % 2 === 0 ? random.normal() : random.integer(94) - 2,
    );
    for (const [objective, labels] of [
      [{ kind: 'regression' }, target],
      [{ kind: 'binary' }, target.map((value) => (value > 2 ? 1 : 0))],
      [{ kind: 'multi-class', classes: 3 }, target.map((value) => Math.max(0, Math.min(2, Math.floor(value / 2))))],
    ] as const) {
      const { ensemble } = await trainTrees({ features, labels, objective, options: { trees: 12 }, seed: 1, threads: 1 });
      expect(ensemble.sets.length).toBeGreaterThan(0);
      await expectSameAnswers(ensemble, asked);
    }
    expect(complaints).toEqual([]);
  });
});
