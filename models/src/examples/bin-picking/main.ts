import { writeFile } from 'node:fs/promises';
import { designLight, heldOutLights } from '@serin/inference/bin-scene/parameters';
import { seededRandom } from '@serin/inference/random';

import { writeModel } from '../../onnx/model-file.ts';
import { openSession } from '../../onnx/session.ts';
import { quantise } from '../../quantise/quantise.ts';
import { readExampleArguments, showProgress, type ExampleContext } from '../command.ts';
import { renderBins, type BinSample } from './data.ts';
import { learn } from './learn.ts';
import { createNetwork, frameInput } from './network.ts';
import { withPeakPicking } from './peaks.ts';
import { describeEvaluation, framesTensor, judgeModel } from './predict.ts';

export const description = 'parts in a bin, synthetic ones: finds their kind, place and angle in any light, trained from scratch in minutes';

const usualEpochs = 18;
const rendered = 1600;
const judged = 400;
const calibrationFrames = 64;

export async function run(args: readonly string[], { say, signal }: ExampleContext): Promise<void> {
  const { seed, epochs, threads, out, checkpoint } = readExampleArguments(args, usualEpochs);
  const began = performance.now();
  const model = await learn({
    model: createNetwork(seed),
    fresh: true,
    data: { rendered, light: 'any' },
    epochs,
    seed,
    threads,
    signal,
    ...(checkpoint === undefined ? {} : { checkpoint: { folder: checkpoint } }),
    onProgress: showProgress(say),
  });
  say(`trained in ${((performance.now() - began) / 1000).toFixed(0)} s, rendering included`);

  const random = seededRandom('judge');
  const calibration = framesTensor(renderBins(random.fork('calibration'), 'any', calibrationFrames));
  const quantised = await quantise(model, { batches: [{ [frameInput]: calibration }], threads });
  const sets: Record<string, BinSample[]> = {
    'the design light': renderBins(random.fork('design'), designLight, judged),
    'learnt lights': renderBins(random.fork('learnt'), 'any', judged),
    'lights not learnt': heldOutLights.flatMap((light, index) => renderBins(random.fork(`held out ${index}`), light, judged / heldOutLights.length)),
  };
  for (const [form, one] of Object.entries({ float: model, '8 bits': quantised })) {
    const session = await openSession(writeModel(withPeakPicking(one)), { threads });
    for (const [light, set] of Object.entries(sets)) say(`${form}, ${light}: ${describeEvaluation(await judgeModel(session, set))}`);
    void session.release();
  }
  if (out === undefined) return;
  await writeFile(out, writeModel(withPeakPicking(quantised)));
  say(`wrote ${out}`);
}
