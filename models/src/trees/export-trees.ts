import { treeCount, type TreeEnsemble } from '@serin/inference/trees/ensemble';
import { joinTrees } from '@serin/inference/trees/join';

import { createGraphBuilder } from '../onnx/builder.ts';
import { int, ints, text, type Attribute, type Model } from '../onnx/graph.ts';
import { addSet, addSets, createNodeLists, planSets, type SetPlan } from './export-sets.ts';
import { addAnswer, marginsName, tabularModel } from './tabular-graph.ts';

/** Of the operators for machine learning: TreeEnsembleRegressor as every runtime has it. */
const treeOpset = 3;

/** The trees as an ONNX model: `features` float32 [N, F] to `probabilities` [N, classes], or `value` [N, 1] for regression. */
export function exportTrees(trees: TreeEnsemble, metadata: Record<string, string> = {}): Model {
  const { levels, base, link } = trees;
  const builder = createGraphBuilder('trees');
  builder.input('features', 'float32', ['N', levels.length]);
  const sets = planSets(trees);
  const features = levels.some((count) => count > 0) ? addSets(builder, trees, sets) : 'features';
  const margins = builder.add('TreeEnsembleRegressor', [features], attributesOf(someTrees(trees), sets), [marginsName(builder, link)], 'ai.onnx.ml');
  // The runtime leaves the logistic function of a single margin out: functions are nodes of their own.
  addAnswer(builder, link, base.length, margins);
  return tabularModel(builder, metadata, { 'ai.onnx.ml': treeOpset });
}

/** The operator wants a tree at least: one for each margin that adds nothing. */
function someTrees(trees: TreeEnsemble): TreeEnsemble {
  if (treeCount(trees) > 0) return trees;
  const leaf = {
    feature: Int16Array.of(-1),
    right: new Int32Array(1),
    value: new Float32Array(1),
    missingLeft: new Uint8Array(1),
    setAt: Int32Array.of(-1),
    sets: new Uint32Array(),
    cover: Float32Array.of(1),
    gain: new Float32Array(1),
  };
  return joinTrees(
    Array.from(trees.base, () => leaf),
    trees,
  );
}

function attributesOf(trees: TreeEnsemble, sets: SetPlan): Record<string, Attribute> {
  const { roots, feature, right, value, missingLeft, setAt, base } = trees;
  const nodes = createNodeLists();
  const leaves = { trees: [] as number[], ids: [] as number[], targets: [] as number[], weights: [] as number[] };
  for (let tree = 0; tree < treeCount(trees); tree += 1) {
    const [from, to] = [roots[tree] as number, roots[tree + 1] as number];
    let nextId = to - from;
    for (let node = from; node < to; node += 1) {
      const asked = feature[node] as number;
      const [id, left, other] = [node - from, node + 1 - from, (right[node] as number) - from];
      const isMissingLeft = missingLeft[node] === 1;
      if (asked < 0) {
        nodes.add(tree, id);
        leaves.trees.push(tree);
        leaves.ids.push(id);
        leaves.targets.push(tree % base.length);
        leaves.weights.push(value[node] as number);
      } else if ((setAt[node] as number) < 0) nodes.add(tree, id, { feature: asked, value: value[node] as number, left, right: other, isMissingLeft });
      else nextId = addSet(nodes, sets, trees, { tree, node, id, nextId, left, right: other });
    }
  }
  return {
    n_targets: int(base.length),
    post_transform: text('NONE'),
    base_values: { kind: 'floats', value: Array.from(base) },
    nodes_treeids: ints(nodes.trees),
    nodes_nodeids: ints(nodes.ids),
    nodes_featureids: ints(nodes.features),
    nodes_modes: { kind: 'strings', value: nodes.modes },
    nodes_values: { kind: 'floats', value: nodes.values },
    nodes_truenodeids: ints(nodes.trues),
    nodes_falsenodeids: ints(nodes.falses),
    nodes_missing_value_tracks_true: ints(nodes.missing),
    target_treeids: ints(leaves.trees),
    target_nodeids: ints(leaves.ids),
    target_ids: ints(leaves.targets),
    target_weights: { kind: 'floats', value: leaves.weights },
  };
}
