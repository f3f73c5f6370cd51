import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { drawPicture } from '@serin/models/data/testing/pictures';
import { createGraphBuilder } from '@serin/models/onnx/builder';
import { createModel, floats } from '@serin/models/onnx/graph';
import { writeModel } from '@serin/models/onnx/model-file';

const side = 16;
const edge = 2;
export const shapes = ['tall', 'wide'] as const;

/** As another tool would have exported it: normalised floats in, logits out. It looks where a picture that is fitted in leaves bars. */
function foreignModel(): Uint8Array {
  const builder = createGraphBuilder('foreign');
  builder.input('pixels', 'float32', ['N', 3, side, side]);
  const weights = Float32Array.from({ length: 2 * 3 * side * side }, (_, at) => {
    const [row, column] = [Math.floor(at / side) % side, at % side];
    const looks = at < 3 * side * side ? row < edge : column < edge;
    return looks ? 0.2 : 0;
  });
  const kernel = builder.constant(floats([2, 3, side, side], weights), 'kernel');
  builder.add('Conv', ['pixels', kernel], {}, ['logits']);
  builder.output('logits', 'float32', ['N', 2, 1, 1]);
  return writeModel(createModel(builder.finish()));
}

/** A model made elsewhere in a folder, with pictures of both shapes and what is said of it. Synthetic, like all of it. */
export async function writeForeignModel(folder: string): Promise<void> {
  writeFileSync(path.join(folder, 'foreign.onnx'), foreignModel());
  for (const shape of shapes) {
    mkdirSync(path.join(folder, 'pictures', shape), { recursive: true });
    for (let index = 0; index < 24; index += 1) {
      const [width, height] = shape === 'tall' ? [16, 32] : [32, 16];
      writeFileSync(path.join(folder, 'pictures', shape, `${index}.png`), await drawPicture(`${shape}/${index}`, width, height));
    }
  }
  writeFileSync(
    path.join(folder, 'spec.json'),
    JSON.stringify({ input: { fit: 'letterbox' }, answer: { kind: 'classes', logits: true }, quantise: { variants: ['fp16'] } }),
  );
}
