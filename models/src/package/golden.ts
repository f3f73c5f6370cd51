import { SerinError } from '@serin/protocol/errors';
import { toBase64 } from '@serin/protocol/digest';
import type { Golden } from '@serin/protocol/bundle/golden';

import type { Tensor } from '../onnx/graph.ts';
import { runtimeTensor, type Session } from '../onnx/session.ts';

export type NamedTensors = Readonly<Record<string, Tensor>>;

/** Runs the model on each of the inputs and writes down what came out. */
export async function makeGolden(session: Session, inputs: readonly NamedTensors[], tolerance: number): Promise<Golden> {
  const vectors: Golden['vectors'] = [];
  for (const tensors of inputs) {
    const feeds = Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, runtimeTensor(tensor.type, tensor.data, tensor.dims)]));
    const results = await session.run(feeds);
    const outputs = Object.fromEntries(
      Object.entries(results).map(([name, result]) => [name, Array.from(result.data as ArrayLike<number | bigint | boolean>, Number)]),
    );
    for (const [name, values] of Object.entries(outputs)) {
      if (!values.every(Number.isFinite)) {
        throw new SerinError('MODEL_UNSUPPORTED', {
          detail: `output ${name} is not finite on a golden input`,
          hint: 'Check the weights for infinities, and that the model accepts any input of its declared type',
        });
      }
    }
    vectors.push({ inputs: Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, encodeTensor(tensor)])), outputs });
  }
  return { v: 1, tolerance, vectors };
}

function encodeTensor(tensor: Tensor): Golden['vectors'][number]['inputs'][string] {
  const { buffer, byteOffset, byteLength } = tensor.data;
  return { shape: [...tensor.dims], dtype: tensor.type, data: toBase64(new Uint8Array(buffer, byteOffset, byteLength)) };
}
