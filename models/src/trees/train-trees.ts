import { availableParallelism } from 'node:os';

import { encodeTrees } from '@serin/inference/trees/encode';
import type { TreeEnsemble, TreeNodes } from '@serin/inference/trees/ensemble';
import { joinTrees, partTrees } from '@serin/inference/trees/join';
import { sha256 } from '@serin/protocol/digest';

import { throwIfCancelled } from '../train/cancellation.ts';
import { linkOf } from './objective.ts';
import { importanceOf } from './importance.ts';
import { openTreeCheckpoints } from './tree-checkpoints.ts';
import { checkTrees } from './tree-checks.ts';
import { isBetter } from './tree-history.ts';
import type { TreeJob } from './tree-job.ts';
import type { TrainedTrees, TrainTreesOptions, TreePoint } from './tree-options.ts';
import { prepareJob } from './prepared-job.ts';
import { runTrees } from './tree-threads.ts';

export type { TrainedTrees, TrainTreesOptions } from './tree-options.ts';

const threadsUsual = 8;

/** Gradient boosted trees: histograms of gradients, the leaf that wins most is split next. */
export async function trainTrees(given: TrainTreesOptions): Promise<TrainedTrees> {
  const { signal, onProgress, now = () => performance.now(), threads = Math.min(threadsUsual, availableParallelism()) } = given;
  throwIfCancelled(signal);
  const began = now();
  checkTrees(given);
  const job = prepareJob(given, threads);
  const checkpoints = await openTreeCheckpoints(given, job);
  const begun = checkpoints?.begun;
  const history: TreePoint[] = [...(begun?.history ?? [])];
  const grown: TreeNodes[] = [];
  const [doneBefore, secondsBefore] = [begun?.iteration ?? 0, begun?.seconds ?? 0];
  const all = (): TreeEnsemble => withTrees(job, begun?.trees, grown);
  let best = history.reduce((top, point) => (isBetter(point, top) ? point : top), history[0])?.iteration ?? 0;
  let stopped: TrainedTrees['stopped'] = 'finished';
  const seconds = (): number => secondsBefore + (now() - began) / 1000;

  try {
    if (doneBefore < job.options.trees) {
      await runTrees(
        { ...job, begun },
        async (step) => {
          history.push(step.point);
          grown.push(...step.trees);
          best = step.best;
          if (step.end === 'early') stopped = 'early';
          const left = step.end === undefined ? job.options.trees - step.point.iteration : 0;
          const each = (seconds() - secondsBefore) / (step.point.iteration - doneBefore);
          onProgress?.({ ...step.point, iterations: job.options.trees, best, remainingSeconds: left * each });
          await checkpoints?.keep(step.point.iteration, () => ({ trees: all(), history, seconds: seconds() }));
        },
        signal,
      );
    }
  } finally {
    await checkpoints?.settle();
  }
  const ensemble = firstTrees(all(), best * job.base.length);
  return {
    ensemble,
    history,
    bestIteration: best,
    stopped,
    digest: await sha256(encodeTrees(ensemble)),
    importance: importanceOf(ensemble, given.features.columns),
    seconds: seconds(),
    ...(begun === undefined ? {} : { resumedFrom: doneBefore }),
  };
}

function withTrees({ levels, objective, base }: TreeJob, before: TreeEnsemble | undefined, grown: readonly TreeNodes[]): TreeEnsemble {
  const parts = { levels, link: linkOf(objective), base };
  return joinTrees([...(before === undefined ? [] : partTrees(before)), ...grown], parts);
}

function firstTrees(trees: TreeEnsemble, count: number): TreeEnsemble {
  return count >= trees.roots.length - 1 ? trees : joinTrees(partTrees(trees).slice(0, count), trees);
}
