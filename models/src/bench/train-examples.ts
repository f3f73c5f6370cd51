import { judgeInLights } from '../examples/bin-picking/figures.ts';
import { learn, usualCourse } from '../examples/bin-picking/learn.ts';
import { createNetwork } from '../examples/bin-picking/network.ts';

export const description = 'trains bin-picking from scratch and judges it on scenes and lights it has not learnt';

const threads = 2;
const seed = 1;

export async function run({ quick }: { quick: boolean }): Promise<{ table: string[][]; figures: Record<string, number> }> {
  const epochs = quick ? 2 : usualCourse.epochs;
  const [began, spent] = [performance.now(), process.cpuUsage()];
  const model = await learn({ model: createNetwork(seed), fresh: true, data: { rendered: usualCourse.rendered, light: 'any' }, epochs, seed, threads });
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(spent);
  const judged = await judgeInLights(model, quick ? 100 : 400, threads);

  const table = [['bin-picking', 'mAP@.5', 'centre px', 'p90', 'angle deg', 'p90', 'frames right']];
  const figures: Record<string, number> = { epochs, trainingSeconds: seconds, processorSeconds: (user + system) / 1e6 };
  for (const { form, light, evaluation } of judged.figures) {
    const { map50, centreError, angleError, rightShare } = evaluation;
    const numbers = { map50, centrePx: centreError.median, centrePxP90: centreError.p90, angleDeg: angleError.median, angleDegP90: angleError.p90, rightShare };
    table.push([`${form}, ${light}`, ...Object.values(numbers).map((value) => value.toFixed(3))]);
    for (const [name, value] of Object.entries(numbers)) figures[`${form} / ${light} / ${name}`] = value;
  }
  table.push([`trained in ${seconds.toFixed(0)} s of the clock, ${((user + system) / 1e6).toFixed(0)} s of processors, rendering included`]);
  return { table, figures };
}
