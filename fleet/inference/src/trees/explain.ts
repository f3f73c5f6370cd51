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

interface Rule {
  readonly points: Float64Array;
  readonly weights: Float64Array;
}

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
  /** By tree. */
  readonly rules: readonly Rule[];
  /** One over the factor of an edge that is passed, for each point, trees behind one another. */
  readonly passing: Float64Array;
  readonly passingAt: Int32Array;
  /** Memory of a row under way; but for `passes` of a tree of it. */
  readonly work: { readonly passes: Uint8Array; readonly products: Float64Array; readonly inverses: Float64Array; readonly sums: Float64Array };
}

export function createExplainer(trees: TreeEnsemble): Explainer {
  const nodes = trees.feature.length;
  const paths = { parent: new Int32Array(nodes).fill(-1), earlier: new Int32Array(nodes).fill(-1), share: new Float64Array(nodes).fill(1) };
  const expected = Float64Array.from(trees.base);
  const rules: Rule[] = [];
  const known = new Map<number, Rule>();
  const passingAt = new Int32Array(trees.roots.length);
  let largest = 0;
  for (let tree = 0; tree < treeCount(trees); tree += 1) {
    const [root, end] = [trees.roots[tree] as number, trees.roots[tree + 1] as number];
    const path = followPaths(trees, root, end, paths);
    expected[tree % trees.base.length] = (expected[tree % trees.base.length] as number) + path.mean;
    const count = Math.max(1, Math.ceil(path.features / 2));
    const rule = known.get(count) ?? quadrature(count);
    known.set(count, rule);
    rules.push(rule);
    largest = Math.max(largest, (end - root) * count);
    passingAt[tree + 1] = (passingAt[tree] as number) + (end - root) * count;
  }
  const passing = new Float64Array(passingAt.at(-1) ?? 0);
  rules.forEach(({ points }, tree) => {
    const [root, from] = [trees.roots[tree] as number, passingAt[tree] as number];
    for (let node = root; node < (trees.roots[tree + 1] as number); node += 1) {
      points.forEach((t, point) => (passing[from + (node - root) * points.length + point] = 1 / (t + (paths.share[node] as number) * (1 - t))));
    }
  });
  const memory = (): Float64Array => new Float64Array(largest);
  return {
    trees,
    expected,
    ...paths,
    rules,
    passing,
    passingAt,
    work: { passes: new Uint8Array(nodes), products: memory(), inverses: memory(), sums: memory() },
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
  const { trees, earlier } = explainer;
  const { passes } = explainer.work;
  const { feature, right } = trees;
  for (let node = 0; node < feature.length; node += 1) {
    const asked = feature[node] as number;
    if (asked < 0) continue;
    const isLeft = goesLeft(trees, node, values[row * rowStride + asked * columnStride] as number) ? 1 : 0;
    const before = earlier[node + 1] as number;
    const above = before < 0 ? 1 : (passes[before] as number);
    passes[node + 1] = isLeft & above;
    passes[right[node] as number] = (1 - isLeft) & above;
  }
  for (let tree = 0; tree < treeCount(trees); tree += 1) {
    multiplyDown(explainer, tree);
    addUp(explainer, tree, into);
  }
}

/** Products of the factors from the root to each node, for every point. */
function multiplyDown({ trees, parent, earlier, share, rules, passing, passingAt, work }: Explainer, tree: number): void {
  const { passes, products, inverses } = work;
  const { points } = rules[tree] as Rule;
  const count = points.length;
  const root = trees.roots[tree] as number;
  const end = trees.roots[tree + 1] as number;
  const tables = passingAt[tree] as number;
  products.fill(1, 0, count);
  for (let node = root + 1; node < end; node += 1) {
    const at = (node - root) * count;
    const from = ((parent[node] as number) - root) * count;
    const before = earlier[node] as number;
    const beforeAt = (before - root) * count;
    const z = share[node] as number;
    const pass = passes[node] as number;
    for (let point = 0; point < count; point += 1) {
      const t = points[point] as number;
      const factor = pass * t + z * (1 - t);
      // Most divisions are known: they are slow.
      inverses[at + point] = pass === 1 ? (passing[tables + at + point] as number) : 1 / factor;
      products[at + point] = (products[from + point] as number) * (before < 0 ? factor : factor * (inverses[beforeAt + point] as number));
    }
  }
}

/** Sums of leaves below each edge, for every point, and what they make of the feature it asks. */
function addUp({ trees, parent, earlier, share, rules, work }: Explainer, tree: number, into: Float64Array): void {
  const { feature, value, roots, levels, base } = trees;
  const { passes, products, inverses, sums } = work;
  const { weights } = rules[tree] as Rule;
  const count = weights.length;
  const root = roots[tree] as number;
  const end = roots[tree + 1] as number;
  const offset = (tree % base.length) * levels.length;
  sums.fill(0, 0, (end - root) * count);
  for (let node = end - 1; node > root; node -= 1) {
    const above = parent[node] as number;
    const before = earlier[node] as number;
    const at = (node - root) * count;
    const to = (above - root) * count;
    const beforeAt = (before - root) * count;
    const isLeaf = (feature[node] as number) < 0;
    const leaf = value[node] as number;
    let own = 0;
    let earlierSum = 0;
    for (let point = 0; point < count; point += 1) {
      const sum = isLeaf ? leaf * (weights[point] as number) * (products[at + point] as number) : (sums[at + point] as number);
      sums[to + point] = (sums[to + point] as number) + sum;
      own += sum * (inverses[at + point] as number);
      if (before >= 0) earlierSum += sum * (inverses[beforeAt + point] as number);
    }
    let contribution = ((passes[node] as number) - (share[node] as number)) * own;
    // Leaves below count with the last edge of a feature, not with those above it.
    if (before >= 0) contribution -= ((passes[before] as number) - (share[before] as number)) * earlierSum;
    const place = offset + (feature[above] as number);
    into[place] = (into[place] as number) + contribution;
  }
}
