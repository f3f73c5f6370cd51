import type { BinLayout } from './bin-layout.ts';
import type { Growth } from './growth.ts';
import { addRows, binPlaces, groupFeatures } from './histogram.ts';
import type { TreeJob } from './tree-job.ts';

/** Histograms of a thread's features, by groups that are filled in one pass. */
export interface Histogram {
  readonly all: Float64Array;
  readonly groups: readonly Float64Array[];
}

export interface HistogramPool {
  /** By node; only leaves have one. */
  readonly ofNode: (Histogram | undefined)[];
  /** A histogram nobody uses, with anything in it. Where there is no room, the leaf that wins least by a split gives up its own, but for `kept`. */
  take(gains: Float64Array, kept?: number): Histogram;
  drop(node: number): void;
  /** Sums of the rows of a node. */
  fill(node: number, histogram: Histogram): void;
}

export function createHistogramPool(job: TreeJob, layout: BinLayout, thread: number, growth: Growth): HistogramPool {
  const features = (layout.features[thread] as Int32Array).length;
  const [begin, stride] = [layout.begins[thread] as number, layout.strides[thread] as number];
  const groups = Math.ceil(features / groupFeatures);
  const words = Array.from(
    { length: groups },
    (_, group) => new Int32Array(job.bins.buffer as SharedArrayBuffer, begin + group * groupFeatures, (stride * job.train.rows - group * groupFeatures) >>> 2),
  );
  const length = features * binPlaces;
  const most = Math.min(job.options.leavesMax + 1, Math.max(2, Math.floor(job.histogramBytesMax / Math.max(1, length * 8))));
  const free: Histogram[] = [];
  const ofNode: (Histogram | undefined)[] = Array.from({ length: growth.begins.length });
  let made = 0;

  const make = (): Histogram => {
    const all = new Float64Array(length);
    const sizeOfGroup = groupFeatures * binPlaces;
    return { all, groups: words.map((_, group) => all.subarray(group * sizeOfGroup, (group + 1) * sizeOfGroup)) };
  };
  const drop = (node: number): void => {
    const histogram = ofNode[node];
    if (histogram !== undefined) free.push(histogram);
    ofNode[node] = undefined;
  };
  return {
    ofNode,
    drop,
    take: (gains, kept) => {
      const found = free.pop();
      if (found !== undefined) return found;
      if (made < most) {
        made += 1;
        return make();
      }
      let poorest = -1;
      for (let node = 0; node < growth.nodes; node += 1) {
        if (ofNode[node] === undefined || node === kept) continue;
        if (poorest < 0 || (gains[node] as number) < (gains[poorest] as number)) poorest = node;
      }
      drop(poorest);
      return free.pop() as Histogram;
    },
    fill: (node, { all, groups: parts }) => {
      all.fill(0);
      for (let group = 0; group < groups; group += 1) {
        const count = Math.min(groupFeatures, features - group * groupFeatures);
        addRows(
          growth.rows,
          growth.begins[node] as number,
          growth.ends[node] as number,
          words[group] as Int32Array,
          stride >>> 2,
          job.packed,
          parts[group] as Float64Array,
          count,
        );
      }
    },
  };
}
