import type { TreeNodes } from '@serin/inference/trees/ensemble';

import { binPlaces } from './histogram.ts';
import type { Growth } from './growth.ts';
import { gradientOf, hessianOf, type Scales } from './packed-sums.ts';
import { byCategory, isInMask, scoreOf, split } from './split-search.ts';
import type { TreeJob } from './tree-job.ts';

/** The tree in preorder, with splits by values instead of bins. */
export function finishTree(job: TreeJob, growth: Growth, scales: Scales): TreeNodes {
  const nodes = growth.nodes;
  const tree = {
    feature: new Int16Array(nodes).fill(-1),
    right: new Int32Array(nodes),
    value: new Float32Array(nodes),
    missingLeft: new Uint8Array(nodes),
    setAt: new Int32Array(nodes).fill(-1),
    cover: new Float32Array(nodes),
    gain: new Float32Array(nodes),
  };
  const sets: number[] = [];
  let next = 0;
  const place = (node: number): void => {
    const at = next;
    next += 1;
    tree.cover[at] = (growth.ends[node] as number) - (growth.begins[node] as number);
    const left = growth.lefts[node] as number;
    if (left < 0) {
      tree.value[at] = job.leafValues[node] as number;
      return;
    }
    const best = growth.splits[node] as Float64Array;
    const [feature, bin] = [best[split.feature] as number, best[split.bin] as number];
    tree.feature[at] = feature;
    tree.missingLeft[at] = best[split.restLeft] as number;
    const sum = growth.sums[node] as number;
    const before = scoreOf(gradientOf(sum), Math.max(1, hessianOf(sum)), job.options.l2 * scales.hessian);
    tree.gain[at] = (((best[split.score] as number) - before) * scales.hessian) / scales.gradient ** 2;
    if (bin === byCategory) {
      tree.setAt[at] = sets.length;
      sets.push(...setOf(job, feature, best));
    } else tree.value[at] = bin === (job.binCounts[feature] as number) - 1 ? Infinity : (job.binEdges[feature * binPlaces + bin] as number);
    place(left);
    tree.right[at] = next;
    place(growth.rights[node] as number);
  };
  place(0);
  return { ...tree, sets: Uint32Array.from(sets) };
}

/** Levels that go left, a bit each. Those without a bin of their own go where what is missing goes. */
function setOf({ levels, binCounts, binEdges }: TreeJob, feature: number, best: Float64Array): Uint32Array {
  const count = levels[feature] as number;
  const set = new Uint32Array(Math.ceil(count / 32));
  const mark = (level: number, isLeft: boolean): void => {
    const word = set[level >>> 5] as number;
    set[level >>> 5] = isLeft ? word | (1 << (level & 31)) : word & ~(1 << (level & 31));
  };
  for (let level = 0; level < count; level += 1) mark(level, best[split.restLeft] === 1);
  for (let bin = 0; bin < (binCounts[feature] as number); bin += 1) mark(binEdges[feature * binPlaces + bin] as number, isInMask(best, bin));
  return set;
}
