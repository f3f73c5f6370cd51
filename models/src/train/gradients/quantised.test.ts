import { expect, test } from 'vitest';

import { createModel, floats, int, type Tensor } from '../../onnx/graph.ts';
import { runModel } from '../../onnx/session.ts';
import { differentiate } from '../autodiff.ts';
import { createTape, type Tape } from '../tape.ts';

const stored = (tape: Tape, value: string, scale: Tensor, zeroPoint: Tensor, axis = 1): string => {
  const pair = [tape.constant(scale), tape.constant(zeroPoint)];
  const attributes = { axis: int(axis) };
  return tape.add('DequantizeLinear', [tape.add('QuantizeLinear', [value, ...pair], attributes), ...pair], attributes);
};

/** What a value becomes, and the slope of the sum of it. */
async function slopesOf(input: Tensor, write: (tape: Tape, x: string) => string): Promise<{ values: number[]; slopes: number[] }> {
  const tape = createTape('stored');
  const x = tape.constant(input, 'x');
  const output = write(tape, x);
  const loss = tape.add('ReduceSum', [output], { keepdims: int(0) });
  tape.output(tape.add('Identity', [output], {}, 'values'));
  tape.output(tape.add('Identity', [differentiate(tape, loss, [x]).get(x) ?? ''], {}, 'slopes'));
  const found = await runModel(createModel(tape.finish()));
  const numbers = (name: string): number[] => Array.from(found.get(name)?.data as Float32Array);
  return { values: numbers('values'), slopes: numbers('slopes') };
}

test('a gradient passes straight through where the value is in range, half a step beyond it too, and nowhere else', async () => {
  const scale = floats([], [0.5]);
  const zeroPoint: Tensor = { type: 'uint8', dims: [], data: Uint8Array.of(10) };
  // From (0 - 10) * 0.5 = -5 to (255 - 10) * 0.5 = 122.5.
  const { values, slopes } = await slopesOf(floats([6], [-5.3, -5.2, 0.1, 0.3, 122.7, 122.8]), (tape, x) => stored(tape, x, scale, zeroPoint));
  expect(values).toEqual([-5, -5, 0, 0.5, 122.5, 122.5]);
  expect(slopes).toEqual([0, 1, 1, 1, 1, 0]);
});

test('every channel has the range of its own scale', async () => {
  const zeroPoint: Tensor = { type: 'int8', dims: [2], data: new Int8Array(2) };
  const { slopes } = await slopesOf(floats([2, 2], [1.2, 130, 12, 130]), (tape, x) => stored(tape, x, floats([2], [0.01, 1]), zeroPoint, 0));
  expect(slopes).toEqual([1, 0, 1, 0]);
});

test('a value stored in one scale and read in another is as steep as the two differ', async () => {
  const zeroPoint: Tensor = { type: 'int8', dims: [], data: new Int8Array(1) };
  const { values, slopes } = await slopesOf(floats([1], [1.5]), (tape, x) => {
    const bytes = tape.add('QuantizeLinear', [x, tape.constant(floats([], [0.5])), tape.constant(zeroPoint)]);
    return tape.add('DequantizeLinear', [bytes, tape.constant(floats([], [2])), tape.constant(zeroPoint)]);
  });
  expect({ values, slopes }).toEqual({ values: [6], slopes: [4] });
});

test('bytes that are clipped on the way have a slope between the bounds', async () => {
  const [scale, zeroPoint] = [floats([], [0.5]), { type: 'uint8' as const, dims: [], data: Uint8Array.of(0) }];
  const { values, slopes } = await slopesOf(floats([3], [1.1, 2.2, 9.8]), (tape, x) => {
    const pair = [tape.constant(scale), tape.constant(zeroPoint)];
    const bound = (value: number): string => tape.constant({ ...zeroPoint, data: Uint8Array.of(value) });
    return tape.add('DequantizeLinear', [tape.add('Clip', [tape.add('QuantizeLinear', [x, ...pair]), bound(3), bound(12)]), ...pair]);
  });
  expect({ values, slopes }).toEqual({ values: [1.5, 2, 6], slopes: [0, 1, 0] });
});

test('a scale that is computed is refused: its own slope would be missing', async () => {
  const zeroPoint: Tensor = { type: 'int8', dims: [], data: new Int8Array(1) };
  const computed = slopesOf(floats([1], [1.5]), (tape, x) => {
    const scale = tape.add('Sqrt', [tape.input('scale', 'float32', [])]);
    return tape.add('DequantizeLinear', [tape.add('QuantizeLinear', [x, scale, tape.constant(zeroPoint)]), scale, tape.constant(zeroPoint)]);
  });
  await expect(computed).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' });
});
