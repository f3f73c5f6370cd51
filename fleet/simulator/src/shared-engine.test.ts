import { expect, test } from 'vitest';
import { createOrtEngine } from '@serin/edge-agent/engine';
import { SharedEngine } from './shared-engine.ts';

/** ONNX by hand: `y = x + x`, float32, one free dimension. */
function doubler(): Uint8Array {
  const text = (value: string): number[] => [...new TextEncoder().encode(value)];
  const field = (number: number, body: number[]): number[] => [(number << 3) | 2, body.length, ...body];
  const value = (name: string): number[] => [...field(1, text(name)), ...field(2, field(1, [0x08, 1, ...field(2, field(1, field(2, text('n'))))]))];
  const node = [...field(1, text('x')), ...field(1, text('x')), ...field(2, text('y')), ...field(4, text('Add'))];
  const graph = [...field(1, node), ...field(2, text('g')), ...field(11, value('x')), ...field(12, value('y'))];
  return Uint8Array.from([0x08, 8, ...field(7, graph), ...field(8, [0x10, 13])]);
}

test('devices with the same model share one session, and the last one to close it frees it', async () => {
  const engine = new SharedEngine(createOrtEngine());
  const [first, second] = await Promise.all([engine.open(doubler()), engine.open(doubler())]);
  expect(engine.models).toBe(1);
  await first.close();
  await first.close();
  const { y } = await second.run({ x: { dtype: 'float32', shape: [2], data: Float32Array.of(1, 2.5) } });
  expect(y?.data).toEqual(Float32Array.of(2, 5));
  await second.close();
  expect(engine.models).toBe(0);
});

test('a file that is no model is a coded error, and nothing stays loaded', async () => {
  const engine = new SharedEngine(createOrtEngine());
  await expect(engine.open(new Uint8Array([1, 2, 3]))).rejects.toMatchObject({ code: 'MODEL_LOAD_FAILED' });
  expect(engine.models).toBe(0);
});
