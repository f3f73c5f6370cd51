import type { Random } from '../../random.ts';
import type { TreeEnsemble, TreeNodes } from '../ensemble.ts';

import { joinTrees } from '../join.ts';

export interface RandomEnsembleOptions {
  readonly link: TreeEnsemble['link'];
  readonly outputs: number;
  readonly levels: readonly number[];
  readonly trees: number;
  readonly leavesMax: number;
}

/** Trees that nobody trained, with every kind of split there is. */
export function randomEnsemble(random: Random, { link, outputs, levels, trees, leavesMax }: RandomEnsembleOptions): TreeEnsemble {
  const counts = Int32Array.from(levels);
  const grown = Array.from({ length: trees * outputs }, () => randomTree(random, counts, 1 + random.integer(leavesMax)));
  return joinTrees(grown, { levels: counts, link, base: Float32Array.from({ length: outputs }, () => random.normal()) });
}

function randomTree(random: Random, levels: Int32Array, leaves: number): TreeNodes {
  const nodes: { feature: number; right: number; value: number; missingLeft: number; setAt: number; cover: number; gain: number }[] = [];
  const sets: number[] = [];
  const grow = (count: number): number => {
    const at = nodes.length;
    if (count === 1) {
      nodes.push({ feature: -1, right: 0, value: random.normal(), missingLeft: 0, setAt: -1, cover: 1 + random.integer(50), gain: 0 });
      return nodes[at]?.cover ?? 0;
    }
    const feature = random.integer(levels.length);
    const node = { feature, right: 0, value: drawThreshold(random), missingLeft: random.integer(2), setAt: -1, cover: 0, gain: random.uniform() };
    const level = levels[feature] as number;
    if (level > 0) {
      node.value = 0;
      node.setAt = sets.length;
      for (let word = 0; word < Math.ceil(level / 32); word += 1)
        sets.push((random.bits() & (level - word * 32 >= 32 ? -1 : (1 << (level - word * 32)) - 1)) >>> 0);
    }
    nodes.push(node);
    const left = 1 + random.integer(count - 1);
    node.cover = grow(left);
    node.right = nodes.length;
    node.cover += grow(count - left);
    return node.cover;
  };
  grow(leaves);
  return {
    feature: Int16Array.from(nodes, ({ feature }) => feature),
    right: Int32Array.from(nodes, ({ right }) => right),
    value: Float32Array.from(nodes, ({ value }) => value),
    missingLeft: Uint8Array.from(nodes, ({ missingLeft }) => missingLeft),
    setAt: Int32Array.from(nodes, ({ setAt }) => setAt),
    cover: Float32Array.from(nodes, ({ cover }) => cover),
    gain: Float32Array.from(nodes, ({ gain }) => gain),
    sets: Uint32Array.from(sets),
  };
}

/** Few different ones, so that rows meet them exactly. */
const drawThreshold = (random: Random): number => [Math.fround(0.1), -1.5, 0, 2, Math.fround(1e-30), Infinity, 1e30][random.integer(7)] ?? 0;

/** Rows with thresholds and their neighbours in single precision, missing values and levels that are none. */
export function randomRows(random: Random, levels: ArrayLike<number>, rows: number): Float32Array {
  const bits = new Int32Array(1);
  const single = new Float32Array(bits.buffer);
  return Float32Array.from({ length: rows * levels.length }, (_, at) => {
    const level = levels[at % levels.length] as number;
    if (random.uniform() < 0.15) return Number.NaN;
    if (level > 0) return random.integer(level + 4) - 2;
    const kind = random.integer(3);
    if (kind === 0) return random.normal() * 2;
    single[0] = drawThreshold(random);
    if (kind === 2 && Number.isFinite(single[0])) bits[0] = (bits[0] as number) + random.integer(3) - 1;
    return single[0] as number;
  });
}
