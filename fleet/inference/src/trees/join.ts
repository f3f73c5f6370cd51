import type { TreeEnsemble, TreeNodes } from './ensemble.ts';

/** Trees behind one another, with everything an ensemble has beside them. */
export function joinTrees(trees: readonly TreeNodes[], { levels, link, base }: Pick<TreeEnsemble, 'levels' | 'link' | 'base'>): TreeEnsemble {
  const nodes = trees.reduce((sum, { feature }) => sum + feature.length, 0);
  const joined = {
    roots: new Int32Array(trees.length + 1),
    feature: new Int16Array(nodes),
    right: new Int32Array(nodes),
    value: new Float32Array(nodes),
    missingLeft: new Uint8Array(nodes),
    setAt: new Int32Array(nodes),
    sets: new Uint32Array(trees.reduce((sum, { sets }) => sum + sets.length, 0)),
    cover: new Float32Array(nodes),
    gain: new Float32Array(nodes),
  };
  let [at, setAt] = [0, 0];
  trees.forEach((tree, index) => {
    for (const name of ['feature', 'value', 'missingLeft', 'cover', 'gain'] as const) joined[name].set(tree[name], at);
    joined.right.set(
      tree.right.map((right) => (right === 0 ? 0 : right + at)),
      at,
    );
    joined.setAt.set(
      tree.setAt.map((from) => (from < 0 ? from : from + setAt)),
      at,
    );
    joined.sets.set(tree.sets, setAt);
    at += tree.feature.length;
    setAt += tree.sets.length;
    joined.roots[index + 1] = at;
  });
  return { levels, link, base, ...joined };
}

/** The trees of an ensemble one by one. */
export function partTrees(trees: TreeEnsemble): TreeNodes[] {
  const { roots, setAt, sets } = trees;
  // Sets lie in the order of nodes.
  let setFrom = 0;
  return Array.from(roots.subarray(0, -1), (from, tree) => {
    const to = roots[tree + 1] as number;
    const next = setAt.subarray(to).find((at) => at >= 0) ?? sets.length;
    const part = {
      feature: trees.feature.slice(from, to),
      right: trees.right.slice(from, to).map((right) => (right === 0 ? 0 : right - from)),
      value: trees.value.slice(from, to),
      missingLeft: trees.missingLeft.slice(from, to),
      setAt: setAt.slice(from, to).map((at) => (at < 0 ? at : at - setFrom)),
      sets: sets.slice(setFrom, next),
      cover: trees.cover.slice(from, to),
      gain: trees.gain.slice(from, to),
    };
    setFrom = next;
    return part;
  });
}
