import { expect, test } from 'vitest';
import { frameBytes, frameChannels, frameHeight, frameWidth } from '@serin/inference/bin-scene/parameters';
import { createOrtEngine } from './engine.ts';
import { doubler, stubbornDetector } from './testing/onnx.ts';

test('a model answers, also when the caller goes on with the same buffer, another one, or another shape', async () => {
  const session = await createOrtEngine().open(doubler());
  const ask = async (data: Float32Array): Promise<unknown> => (await session.run({ x: { dtype: 'float32', shape: [data.length], data } })).y;
  const buffer = Float32Array.of(1, 2.5);
  expect(await ask(buffer)).toEqual({ dtype: 'float32', shape: [2], data: Float32Array.of(2, 5) });
  buffer[0] = 4;
  expect(await ask(buffer)).toMatchObject({ data: Float32Array.of(8, 5) });
  expect(await ask(Float32Array.of(1))).toMatchObject({ shape: [1], data: Float32Array.of(2) });
  expect(await ask(buffer.subarray(1))).toMatchObject({ shape: [1], data: Float32Array.of(5) });
  await session.close();
  await session.close();
});

test('frames go in as they come from the camera', async () => {
  const session = await createOrtEngine().open(stubbornDetector([2, 40.5, 20, -1, 0.75]));
  const frame = { dtype: 'uint8', shape: [1, frameHeight, frameWidth, frameChannels], data: new Uint8Array(frameBytes) };
  const { detections } = await session.run({ frame });
  expect(detections).toEqual({ dtype: 'float32', shape: [1, 2, 5], data: Float32Array.of(2, 40.5, 20, -1, 0.75, 0, 0, 0, 0, 0) });
  await session.close();
});

test('a file that is no model is a coded error', async () => {
  await expect(createOrtEngine().open(new Uint8Array([1, 2, 3]))).rejects.toMatchObject({ code: 'MODEL_LOAD_FAILED' });
});

test('an input that the model does not take is an error of that run alone', async () => {
  const session = await createOrtEngine().open(doubler());
  await expect(session.run({ x: { dtype: 'uint8', shape: [1], data: Uint8Array.of(1) } })).rejects.toThrow(/type/i);
  const { y } = await session.run({ x: { dtype: 'float32', shape: [1], data: Float32Array.of(3) } });
  expect(y?.data).toEqual(Float32Array.of(6));
  await session.close();
});
