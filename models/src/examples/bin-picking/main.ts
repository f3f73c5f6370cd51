import { writeFile } from 'node:fs/promises';

import { writeModel } from '../../onnx/model-file.ts';
import { readExampleArguments, showProgress, type ExampleContext } from '../command.ts';
import { describeEvaluation, judgeInLights } from './figures.ts';
import { learn, usualCourse } from './learn.ts';
import { createNetwork } from './network.ts';

export const description = 'parts in a bin, synthetic ones: finds their kind, place and angle in any light, trained from scratch in minutes';

const judged = 400;

export async function run(args: readonly string[], { say, signal }: ExampleContext): Promise<void> {
  const { seed, epochs, threads, out, checkpoint } = readExampleArguments(args, usualCourse.epochs);
  const began = performance.now();
  const model = await learn({
    model: createNetwork(seed),
    fresh: true,
    data: { rendered: usualCourse.rendered, light: 'any' },
    epochs,
    seed,
    threads,
    signal,
    ...(checkpoint === undefined ? {} : { checkpoint: { folder: checkpoint } }),
    onProgress: showProgress(say),
  });
  say(`trained in ${((performance.now() - began) / 1000).toFixed(0)} s, rendering included`);
  const { figures, deployed } = await judgeInLights(model, judged, threads);
  for (const { form, light, evaluation } of figures) say(`${form}, ${light}: ${describeEvaluation(evaluation)}`);
  const { files, made } = deployed.variants;
  for (const { leftOut } of made) if (leftOut !== undefined) say(leftOut);
  if (out === undefined) return;
  await writeFile(out, files.get('u8s8') ?? writeModel(deployed.model));
  say(`wrote ${out}`);
}
