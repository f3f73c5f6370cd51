import { writeFile } from 'node:fs/promises';
import path from 'node:path';

import type { Model } from '../../onnx/graph.ts';
import { writeModel } from '../../onnx/model-file.ts';
import { openSession, runtimeTensor } from '../../onnx/session.ts';
import { defineModel } from '../layers.ts';
import { softmaxCrossEntropy } from '../losses.ts';
import { adam } from '../optimiser.ts';
import { train, type TrainOptions, type TrainResult } from '../train.ts';
import { createSource } from './quadrants.ts';

/** Everything docs/training.md shows; a test keeps the page equal to it and runs it. */
export async function documented(folder: string, say: (line: string) => void): Promise<TrainResult[]> {
  const model = defineModel('quadrants', 1, (nn) => {
    const x = nn.input('x', 'float32', [2]);
    const hidden = nn.relu(nn.dense(x, 32));
    const logits = nn.named('logits', nn.dense(hidden, 2));
    nn.output('probabilities', nn.softmax(logits));
  });

  const cancel = new AbortController();
  const options: TrainOptions = {
    model,
    loss: softmaxCrossEntropy({ logits: 'logits', smoothing: 0.05 }),
    optimiser: adam({ decay: 0.01 }),
    source: createSource({ examples: 960 }),
    batch: 32,
    epochs: 12,
    rate: 0.01,
    clipNorm: 1,
    averaging: 0.99,
    seed: 1,
    signal: cancel.signal,
    onProgress: ({ step, steps, loss, examplesPerSecond, remainingSeconds }) =>
      say(`${step}/${steps} loss ${loss.toFixed(3)}, ${examplesPerSecond.toFixed(0)} examples/s, ${remainingSeconds.toFixed(0)} s left`),
  };
  const trained = await train(options);
  await writeFile(path.join(folder, 'quadrants.onnx'), writeModel(trained.model));
  say(`weights ${trained.digest}`);

  const overlapped = await train({
    ...options,
    source: { module: new URL('quadrants.js', import.meta.url), settings: { examples: 960 }, ahead: 2, heapMiB: 512 },
  });

  const durable = await train({ ...options, checkpoint: { folder: path.join(folder, 'run'), everySteps: 100, everySeconds: 30 } });

  const judge = async (candidate: Model): Promise<number> => {
    const session = await openSession(writeModel(candidate));
    try {
      const points = Float32Array.of(0.5, 0.5, -0.5, 0.5, -0.5, -0.5, 0.5, -0.5);
      const { probabilities } = await session.run({ x: runtimeTensor('float32', points, [4, 2]) });
      // Of each point, the probability of its own class.
      return [1, 2, 5, 6].reduce((sum, place) => sum + Number(probabilities?.data[place]) / 4, 0);
    } finally {
      await session.release();
    }
  };
  const best = await train({ ...options, validate: { everyEpochs: 1, run: judge, better: 'higher', patience: 3 } });
  say(`${best.stopped} after ${best.steps} steps; best ${best.best?.value.toFixed(3)} at step ${best.best?.step}`);

  return [trained, overlapped, durable, best];
}
