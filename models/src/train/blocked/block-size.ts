import { createGraphBuilder } from '../../onnx/builder.ts';
import { createModel } from '../../onnx/graph.ts';
import { writeModel } from '../../onnx/model-file.ts';
import { openSession, runtimeTensor } from '../../onnx/session.ts';
import { blockedDomain } from './writer.ts';

let known: Promise<number> | undefined;

/** Channels in a block of this machine's vector kernels, 8 or 16; 1 where the runtime has none. */
export const blockSize = (): Promise<number> => (known ??= askRuntime());

/** The runtime does not tell, but it fills the last block up. */
async function askRuntime(): Promise<number> {
  const builder = createGraphBuilder('block size');
  const few = builder.input('x', 'float32', [1, 4, 1, 1]);
  builder.add('ReorderInput', [few], {}, ['y'], blockedDomain);
  builder.output('y', 'float32', [1, 'channels', 1, 1]);
  const model = createModel(builder.finish());
  try {
    const session = await openSession(writeModel({ ...model, opsets: { ...model.opsets, [blockedDomain]: 1 } }));
    const { y } = await session.run({ x: runtimeTensor('float32', new Float32Array(4), [1, 4, 1, 1]) });
    await session.release();
    const size = y?.dims[1] ?? 1;
    return size === 8 || size === 16 ? size : 1;
  } catch {
    // These kernels exist for some processors only; without them training takes the standard operators.
    return 1;
  }
}
