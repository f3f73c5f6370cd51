import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { createGraphBuilder } from './builder.ts';
import { runOnnxCommand } from './command.ts';
import { createModel, floats } from './graph.ts';
import { readModel, writeModel } from './model-file.ts';
import { foreignModels } from './testing/foreign-models.ts';

let folder = '';
const at = (name: string): string => path.join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'serin-onnx-'));
  const builder = createGraphBuilder('small');
  const x = builder.input('x', 'float32', ['N', 2]);
  builder.add('MatMul', [builder.add('Identity', [x]), builder.constant(floats([2, 2], [1, 2, 3, 4]))], {}, ['y']);
  builder.output('y', 'float32', ['N', 2]);
  const model = createModel(builder.finish());
  await writeFile(at('small.onnx'), writeModel(model));
  await writeFile(at('text.onnx'), 'nothing of the kind');
  const nodes = model.graph.nodes.map((node) => ({ ...node, inputs: ['ghost\u001B[31m', 'spirit'] }));
  await writeFile(at('unsound.onnx'), writeModel({ ...model, graph: { ...model.graph, nodes } }));
});
afterAll(() => rm(folder, { recursive: true }));

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const code = await runOnnxCommand(argv, { out: (text) => (out += text), err: (text) => (err += text) });
  return { code, out, err };
}

test('a sound model is said to be sound; free dimensions are taken as 1 unless said otherwise', async () => {
  const { code, out, err } = await run('check', at('small.onnx'));
  expect([code, out]).toEqual([0, 'sound: 2 nodes, 4 parameters, opset 17\n']);
  expect(err).toBe('onnx: N taken as 1; --dim N=SIZE says otherwise\n');
  expect((await run('check', at('small.onnx'), '--dim', 'N=3')).err).toBe('');
});

test('every fault is one line that begins with a code and ends with what to do', async () => {
  const { code, out, err } = await run('check', at('unsound.onnx'));
  expect([code, out]).toEqual([1, '']);
  const lines = err.trimEnd().split('\n');
  expect(lines.length).toBe(2);
  for (const line of lines) expect(line).toMatch(/^onnx: MODEL_INVALID: .*nothing defines its input ghost.*\. \w.*\.$/);
  expect(err).not.toContain('\u001B');
  for (const command of ['dump', 'summary']) expect(await run(command, at('unsound.onnx'))).toMatchObject({ code: 1, out: '' });
});

test('what cannot be read, and command lines that make no sense, end with their own codes', async () => {
  const cases: [argv: string[], code: number, words: RegExp][] = [
    [['check', at('none.onnx')], 4, /NOT_FOUND/],
    [['check', folder], 1, /MODEL_INVALID/],
    [['check', at('text.onnx')], 1, /MODEL_INVALID/],
    [['simplify', at('small.onnx'), at('none/out.onnx')], 4, /NOT_FOUND.*cannot be written/],
    [[], 2, /no command/],
    [['explain', at('small.onnx')], 2, /no command "explain"/],
    [['constructor', at('small.onnx')], 2, /no command/],
    [['check'], 2, /no file/],
    [['check', at('small.onnx'), 'more'], 2, /one file/],
    [['simplify', at('small.onnx')], 2, /one to write/],
    [['check', at('small.onnx'), '--loud'], 2, /--loud/],
    [['check', at('small.onnx'), '--dim', 'N'], 2, /NAME=SIZE/],
    [['check', at('small.onnx'), '--dim', 'M=2'], 2, /no dimension is called M; there are N/],
    [['check', at('small.onnx'), '--max-mb', '0'], 2, /max-mb/],
  ];
  for (const [argv, code, words] of cases) {
    const result = await run(...argv);
    expect(result.code, argv.join(' ')).toBe(code);
    expect(result.err, argv.join(' ')).toMatch(words);
    expect(result.err.trimEnd().split('\n').length, argv.join(' ')).toBeLessThanOrEqual(2);
  }
  expect(await run('--help')).toMatchObject({ code: 0, out: expect.stringContaining('Usage') });
});

test('a model is simplified into a file that is whole or absent', async () => {
  const { code, out } = await run('simplify', at('small.onnx'), at('simple.onnx'));
  expect([code, out]).toEqual([0, '2 nodes became 1\nsame outputs on random inputs: they differ by 0.0 of the largest value at most\n']);
  expect(readModel(await readFile(at('simple.onnx'))).graph.nodes.length).toBe(1);
  expect((await readdir(folder)).filter((name) => name.includes('partial'))).toEqual([]);
});

test.each(foreignModels)('every command does its work on a model that others exported: $file', async ({ file, dimensions }) => {
  const sizes = Object.entries(dimensions).flatMap(([name, size]) => ['--dim', `${name}=${size}`]);
  const checked = await run('check', file, ...sizes);
  expect(checked).toMatchObject({ code: 0, err: '' });
  expect(checked.out).not.toContain('unknown');
  expect((await run('dump', file, ...sizes)).out.split('\n').length).toBeGreaterThan(300);
  const { out } = await run('summary', file, '--json', ...sizes);
  expect(JSON.parse(out)).toMatchObject({ uncounted: 0, multiplyAdds: expect.any(Number) });
  const result = await run('simplify', file, at('foreign.onnx'), ...sizes);
  expect(result).toMatchObject({ code: 0, err: '' });
  expect(result.out).toContain('same outputs');
});
