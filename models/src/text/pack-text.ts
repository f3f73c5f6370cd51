import { textPreparer, type TextRecord } from '@serin/inference/text/prepare';
import type { BundlePart, Manifest } from '@serin/protocol/bundle/manifest';

import type { Model, Tensor } from '../onnx/graph.ts';
import { writeModel } from '../onnx/model-file.ts';
import { openSession } from '../onnx/session.ts';
import { makeGolden, type NamedTensors } from '../package/golden.ts';
import { jsonBytes } from '../package/version.ts';
import type { TrainedText } from './training.ts';

/** Other kernels add in another order. */
const tolerance = 1e-4;
const goldenMax = 8;

/** The files of a version and what its manifest says of them; golden vectors are made of the texts given, and of none. */
export async function packText(
  { model, preprocessing }: Pick<TrainedText, 'model' | 'preprocessing'>,
  texts: readonly TextRecord[],
): Promise<Pick<Manifest, 'task' | 'inputs' | 'outputs'> & { readonly files: BundlePart[] }> {
  const bytes = writeModel(model);
  const preparer = textPreparer(preprocessing);
  const session = await openSession(bytes);
  try {
    const inputs = [{}, ...texts.slice(0, goldenMax - 1)].map((text): NamedTensors => preparer.tensors([preparer.words(text)]) as Record<string, Tensor>);
    const golden = await makeGolden(session, inputs, tolerance);
    return {
      task: 'text',
      inputs: specsOf(model.graph.inputs),
      outputs: specsOf(model.graph.outputs),
      files: [
        { role: 'model', variant: 'fp32', path: 'model.onnx', bytes },
        { role: 'preprocessing', path: 'preprocessing.json', bytes: jsonBytes(preprocessing) },
        { role: 'golden', variant: 'fp32', path: 'golden.json', bytes: jsonBytes(golden) },
      ],
    };
  } finally {
    await session.release();
  }
}

const specsOf = (values: Model['graph']['inputs']): Manifest['inputs'] =>
  values.map(({ name, type, dims }) => ({
    name,
    dtype: type === 'int64' ? 'int64' : 'float32',
    shape: dims.map((dim) => (typeof dim === 'number' ? dim : -1)),
  }));
