import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { openTfjs } from './runtime.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'serin-tfjs-'));
});
afterAll(() => rm(folder, { recursive: true }));

const require = createRequire(import.meta.url);
const parts = ['@tensorflow/tfjs-core', '@tensorflow/tfjs-layers', '@tensorflow/tfjs-backend-cpu'];

/** A project with packages of its own: what each of them says when it is loaded. */
async function project(name: string, packages: Readonly<Record<string, string>>): Promise<string> {
  const root = path.join(folder, name);
  await mkdir(root);
  for (const [each, source] of Object.entries(packages)) {
    const place = path.join(root, 'node_modules', each);
    await mkdir(place, { recursive: true });
    await writeFile(path.join(place, 'package.json'), JSON.stringify({ name: each, version: '1.0.0', main: 'index.js' }));
    await writeFile(path.join(place, 'index.js'), source);
  }
  return pathToFileURL(`${root}/`).href;
}

const whole = `module.exports = Object.assign({}, ${parts.map((name) => `require(${JSON.stringify(require.resolve(name))})`).join(', ')})`;
const stub = (name: string): [string, string] => [name, `module.exports = require(${JSON.stringify(require.resolve(name))})`];

test('the native package is used where it is installed', async () => {
  const place = await project('native', { '@tensorflow/tfjs-node': whole, ...Object.fromEntries(parts.map(stub)) });
  const { name, passedOver } = await openTfjs([place]);
  expect(name).toMatch(/^@tensorflow\/tfjs-node \d/);
  expect(passedOver).toEqual([]);
});

test('without it the plain packages are, and it is said that it is missing', async () => {
  const place = await project('plain', Object.fromEntries(parts.map(stub)));
  const { name, passedOver } = await openTfjs([place]);
  expect(name).toMatch(/^@tensorflow\/tfjs-core \d.*\(cpu\)$/);
  expect(passedOver).toEqual(['@tensorflow/tfjs-node is not installed', '@tensorflow/tfjs is not installed']);
});

test('a native package without its library is passed over with its reason', async () => {
  const broken = "throw new Error('The Node.js native addon module (tfjs_binding.node) can not be found')";
  const place = await project('broken', { '@tensorflow/tfjs-node': broken, ...Object.fromEntries(parts.map(stub)) });
  const { name, passedOver } = await openTfjs([place]);
  expect(name).toContain('@tensorflow/tfjs-core');
  expect(passedOver[0]).toMatch(/tfjs-node does not load: .*tfjs_binding/);
});

test('the places are tried in their order, and with nothing anywhere it is said what to install', async () => {
  const [empty, whole2] = [await project('empty', {}), await project('second', { '@tensorflow/tfjs': whole })];
  expect((await openTfjs([empty, whole2])).name).toMatch(/^@tensorflow\/tfjs \d/);
  await expect(openTfjs([empty])).rejects.toMatchObject({ code: 'NOT_FOUND', hint: expect.stringContaining('npm install @tensorflow/tfjs-node') });
});

test('here, with the packages of the tests, tfjs is there', async () => {
  expect((await openTfjs()).tf.version_layers).toMatch(/^\d/);
});
