import { treeCount, type TreeEnsemble } from './ensemble.ts';
import { goesLeft, type FeatureRows } from './predict.ts';
import { quadrature } from './quadrature.ts';

/*
 * Exact Shapley values of the game in which a tree is asked with some features only: where it asks for another one, both
 * children answer, by the training rows they had (the path-dependent game of TreeSHAP).
 *
 * A leaf is reached by a product over the features on its path, each z (the share of rows, where the feature is unknown) or
 * o (1 or 0, whether the row passes). Shapley's weight of a coalition of s among m features, s! (m-1-s)! / m!, is the integral
 * of t^s (1-t)^(m-1-s), so a feature's value is that of (o - z) times the product of (o t + z (1-t)) over all others: a
 * polynomial in t, and a few points give its integral exactly. On the way down products grow by a factor an edge, on the way
 * up sums of leaves are divided by one; all factors are positive, so nothing cancels.
 */

/** What rows are explained with; made once for an ensemble. */
export interface Explainer {
  readonly trees: TreeEnsemble;
  /** Margins where nothing is known: `base` and what trees say on average. */
  readonly expected: Float64Array;
  /** The last edge above a node's own that asked the same feature, by the node below it; -1 where there is none. */
  readonly earlier: Int32Array;
  readonly parent: Int32Array;
  /** Of the edge above a node and those above it that ask the same: the product of their shares of rows. */
  readonly share: Float64Array;
  /** By tree, one of these. */
  readonly rules: readonly { readonly points: Float64Array; readonly weights: Float64Array }[];
  /** Memory of a row under way. */
  readonly work: { readonly passes: Uint8Array; readonly products: Float64Array; readonly sums: Float64Array };
}

export function createExplainer(trees: TreeEnsemble): Explainer {
  const nodes = trees.feature.length;
  const parent = new Int32Array(nodes).fill(-1);
  const earlier = new Int32Array(nodes).fill(-1);
  const share = new Float64Array(nodes).fill(1);
  const expected = Float64Array.from(trees.base);
  const rules: Explainer['rules'][number][] = [];
  const known = new Map<number, Explainer['rules'][number]>();
  let largest = 0;
  for (let tree = 0; tree < treeCount(trees); tree += 1) {
    const root = trees.roots[tree] as number;
    const path = followPaths(trees, root, trees.roots[tree + 1] as number, { parent, earlier, share });
    expected[tree % trees.base.length] = (expected[tree % trees.base.length] as number) + path.mean;
    const count = Math.max(1, Math.ceil(path.features / 2));
    const rule = known.get(count) ?? quadrature(count);
    known.set(count, rule);
    rules.push(rule);
    largest = Math.max(largest, ((trees.roots[tree + 1] as number) - root) * count);
  }
  return {
    trees,
    expected,
    earlier,
    parent,
    share,
    rules,
    work: { passes: new Uint8Array(nodes), products: new Float64Array(largest), sums: new Float64Array(largest) },
  };
}

/** Fills in what is known of a tree's edges; its mean over training rows, and the most different features on a path. */
function followPaths(
  trees: TreeEnsemble,
  root: number,
  end: number,
  into: Pick<Explainer, 'parent' | 'earlier' | 'share'>,
): { mean: number; features: number } {
  const { feature, right, cover, value } = trees;
  const { parent, earlier, share } = into;
  const depths = new Int32Array(end - root);
  let [mean, features] = [0, 0];
  for (let node = root; node < end; node += 1) {
    if (node > root) {
      const above = parent[node] as number;
      const asked = feature[above] as number;
      let last = above;
      while (last !== root && feature[parent[last] as number] !== asked) last = parent[last] as number;
      earlier[node] = last === root ? -1 : last;
      share[node] = ((cover[node] as number) / (cover[above] as number)) * (last === root ? 1 : (share[last] as number));
      depths[node - root] = (depths[above - root] as number) + (last === root ? 1 : 0);
    }
    features = Math.max(features, depths[node - root] as number);
    if ((feature[node] as number) < 0) mean += ((value[node] as number) * (cover[node] as number)) / (cover[root] as number);
    else {
      parent[node + 1] = node;
      parent[right[node] as number] = node;
    }
  }
  return { mean, features };
}

/**
 * Adds to `into` what each feature contributes to each margin of a row: a row of features for each margin. With
 * `expected` they add up to the margins.
 */
export function explainRow(explainer: Explainer, { values, rowStride, columnStride }: FeatureRows, row: number, into: Float64Array): void {
  const { trees, earlier, parent, work } = explainer;
  const { passes } = work;
  const { feature, right, roots, levels, base } = trees;
  for (let node = 0; node < feature.length; node += 1) {
    const asked = feature[node] as number;
    if (asked < 0) continue;
    const isLeft = goesLeft(trees, node, values[row * rowStride + asked * columnStride] as number) ? 1 : 0;
    passes[node + 1] = isLeft;
    passes[right[node] as number] = 1 - isLeft;
  }
  for (let node = 0; node < feature.length; node += 1)
    if ((earlier[node] as number) >= 0) passes[node] = (passes[node] as number) & (passes[earlier[node] as number] as number);
  for (let tree = 0; tree < treeCount(trees); tree += 1) {
    explainTree(explainer, tree, roots[tree] as number, roots[tree + 1] as number, parent, into, (tree % base.length) * levels.length);
  }
}

function explainTree(
  { trees, earlier, share, rules, work }: Explainer,
  tree: number,
  root: number,
  end: number,
  parent: Int32Array,
  into: Float64Array,
  offset: number,
): void {
  const { feature, value } = trees;
  const { passes, products, sums } = work;
  const { points, weights } = rules[tree] as Explainer['rules'][number];
  const count = points.length;
  products.fill(1, 0, count);
  for (let node = root + 1; node < end; node += 1) {
    const [above, before] = [parent[node] as number, earlier[node] as number];
    const [pass, z] = [passes[node] as number, share[node] as number];
    const [at, from] = [(node - root) * count, (above - root) * count];
    for (let point = 0; point < count; point += 1) {
      const t = points[point] as number;
      let product = (products[from + point] as number) * (pass * t + z * (1 - t));
      if (before >= 0) product /= (passes[before] as number) * t + (share[before] as number) * (1 - t);
      products[at + point] = product;
    }
  }
  sums.fill(0, 0, (end - root) * count);
  for (let node = end - 1; node > root; node -= 1) {
    const [above, before] = [parent[node] as number, earlier[node] as number];
    const [at, to] = [(node - root) * count, (above - root) * count];
    const [pass, z] = [passes[node] as number, share[node] as number];
    const isLeaf = (feature[node] as number) < 0;
    let [own, earlierSum] = [0, 0];
    for (let point = 0; point < count; point += 1) {
      const t = points[point] as number;
      const sum = isLeaf ? (value[node] as number) * (weights[point] as number) * (products[at + point] as number) : (sums[at + point] as number);
      sums[to + point] = (sums[to + point] as number) + sum;
      own += sum / (pass * t + z * (1 - t));
      if (before >= 0) earlierSum += sum / ((passes[before] as number) * t + (share[before] as number) * (1 - t));
    }
    const place = offset + (feature[above] as number);
    let contribution = (pass - z) * own;
    // Leaves below count with the last edge of a feature, not with those above it.
    if (before >= 0) contribution -= ((passes[before] as number) - (share[before] as number)) * earlierSum;
    into[place] = (into[place] as number) + contribution;
  }
}
