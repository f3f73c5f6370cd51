import { writeFile } from 'node:fs/promises';
import { designLight } from '@serin/inference/bin-scene/parameters';
import { seededRandom } from '@serin/inference/random';

import { writeModel } from '../../onnx/model-file.ts';
import { openSession } from '../../onnx/session.ts';
import { renderBins } from '../bin-picking/data.ts';
import { describeEvaluation } from '../bin-picking/figures.ts';
import { learn, usualCourse } from '../bin-picking/learn.ts';
import { createNetwork } from '../bin-picking/network.ts';
import { withPeakPicking } from '../bin-picking/peaks.ts';
import { judgeModel } from '../bin-picking/predict.ts';
import { startFrom } from '../bin-picking/start.ts';
import { packStarter, readStarter } from '../bin-picking/starter.ts';
import { readExampleArguments, showProgress, type ExampleContext } from '../command.ts';

export const description = 'the weights that bin-picking starts from: trained from scratch under the design light alone';

const judged = 300;

export async function run(args: readonly string[], { say, signal }: ExampleContext): Promise<void> {
  const { seed, epochs, threads, out, checkpoint } = readExampleArguments(args, usualCourse.epochs);
  const model = await learn({
    model: createNetwork(seed),
    fresh: true,
    data: { rendered: usualCourse.rendered, light: designLight },
    epochs,
    seed,
    threads,
    signal,
    ...(checkpoint === undefined ? {} : { checkpoint: { folder: checkpoint } }),
    onProgress: showProgress(say),
  });
  const bytes = packStarter(model);
  // What is judged is what was packed: five bits a weight.
  const starter = startFrom(createNetwork(seed), readStarter(bytes));
  const session = await openSession(writeModel(withPeakPicking(starter)), { threads });
  const evaluation = await judgeModel(session, renderBins(seededRandom('judge starter'), designLight, judged));
  void session.release();
  say(`under the design light, ${bytes.length} bytes: ${describeEvaluation(evaluation)}`);
  if (out === undefined) return;
  await writeFile(out, bytes);
  say(`wrote ${out}`);
}
