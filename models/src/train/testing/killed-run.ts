import { train } from '../train.ts';
import { xorOptions } from './xor.ts';

/** A program that trains with checkpoints in the folder it is given and tells its parent of every step: one to be killed. */
const [folder = '', epochs = ''] = process.argv.slice(2);
const { digest } = await train({
  ...xorOptions(1),
  epochs: Number(epochs),
  checkpoint: { folder, everySteps: 4 },
  reportEvery: 1,
  onProgress: ({ step }) => process.send?.({ step }),
});
process.send?.({ digest }, () => process.exit(0));
