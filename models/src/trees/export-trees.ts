import { treeCount, type TreeEnsemble } from '@serin/inference/trees/ensemble';

import { createGraphBuilder, type GraphBuilder } from '../onnx/builder.ts';
import { joinTrees } from './finished-tree.ts';
import { createModel, floats, int, ints, type Attribute, type Model, type Tensor } from '../onnx/graph.ts';

/** The first version of the operators for machine learning that has sets and stores trees as tensors. */
const treeOpset = 5;
const modes = { lessOrEqual: 0, member: 6 } as const;

/** The trees as an ONNX model: `features` float32 [N, F] to `probabilities` [N, classes], or `value` [N, 1] for regression. */
export function exportTrees(trees: TreeEnsemble, metadata: Record<string, string> = {}): Model {
  const builder = createGraphBuilder('trees');
  builder.input('features', 'float32', ['N', trees.levels.length]);
  const features = trees.levels.some((count) => count > 0) ? withoutUnknownLevels(builder, trees) : 'features';
  const sums = builder.add('TreeEnsemble', [features], ensembleAttributes(someTrees(trees)), [builder.fresh('sums')], 'ai.onnx.ml');
  const margins = builder.add(
    'Add',
    [sums, builder.constant(floats([1, trees.base.length], trees.base))],
    {},
    trees.link === 'identity' ? ['value'] : undefined,
  );
  addAnswer(builder, trees, margins);
  const model = createModel(builder.finish(), metadata);
  return { ...model, opsets: { ...model.opsets, 'ai.onnx.ml': treeOpset } };
}

/** The runtime leaves out the logistic function of single trees: functions are nodes of their own. */
function addAnswer(builder: GraphBuilder, { link, base }: TreeEnsemble, margins: string): void {
  if (link === 'identity') {
    builder.output('value', 'float32', ['N', 1]);
    return;
  }
  if (link === 'softmax') builder.add('Softmax', [margins], { axis: int(1) }, ['probabilities']);
  else {
    // Of both classes by themselves: one minus a small probability would lose its digits.
    const signs = builder.constant(floats([1, 2], [-1, 1]));
    builder.add('Sigmoid', [builder.add('Mul', [margins, signs])], {}, ['probabilities']);
  }
  builder.output('probabilities', 'float32', ['N', link === 'softmax' ? base.length : 2]);
}

/** What is no level of a category counts as missing; numbers pass as they are. */
function withoutUnknownLevels(builder: GraphBuilder, { levels }: TreeEnsemble): string {
  const [low, high] = [Array.from(levels, (count) => (count > 0 ? 0 : -Infinity)), Array.from(levels, (count) => (count > 0 ? count - 1 : Infinity))];
  const isKnown = builder.add('And', [
    builder.add('GreaterOrEqual', ['features', builder.constant(floats([1, levels.length], low))]),
    builder.add('LessOrEqual', ['features', builder.constant(floats([1, levels.length], high))]),
  ]);
  return builder.add('Where', [isKnown, 'features', builder.constant(floats([], [Number.NaN]))]);
}

/** The operator wants a tree at least: one for each margin that adds nothing. */
function someTrees(trees: TreeEnsemble): TreeEnsemble {
  if (treeCount(trees) > 0) return trees;
  const leaf = (value: number): Float32Array => Float32Array.of(value);
  const nothing = {
    feature: Int16Array.of(-1),
    right: new Int32Array(1),
    value: leaf(0),
    missingLeft: new Uint8Array(1),
    setAt: Int32Array.of(-1),
    sets: new Uint32Array(),
    cover: leaf(1),
    gain: leaf(0),
  };
  return joinTrees(
    Array.from(trees.base, () => nothing),
    trees,
  );
}

/** Lists of the operator: splits and leaves are numbered each by themselves. */
function ensembleAttributes(trees: TreeEnsemble): Record<string, Attribute> {
  const { roots, feature, right, value, missingLeft, setAt, base } = trees;
  const placeOf = new Int32Array(feature.length);
  const counts = { splits: 0, leaves: 0 };
  feature.forEach((asked, node) => {
    placeOf[node] = asked < 0 ? counts.leaves++ : counts.splits++;
  });
  const lists = {
    featureIds: [] as number[],
    modes: [] as number[],
    splits: [] as number[],
    trues: [] as number[],
    trueLeaves: [] as number[],
    falses: [] as number[],
    falseLeaves: [] as number[],
    tracksTrue: [] as number[],
  };
  const [members, leafTargets, leafWeights, rootsOut]: [number[], number[], number[], number[]] = [[], [], [], []];
  const addSplit = (asked: number, mode: number, split: number, left: number, other: number, tracksTrue: number): void => {
    lists.featureIds.push(asked);
    lists.modes.push(mode);
    lists.splits.push(split);
    lists.trues.push(placeOf[left] as number);
    lists.trueLeaves.push((feature[left] as number) < 0 ? 1 : 0);
    lists.falses.push(placeOf[other] as number);
    lists.falseLeaves.push((feature[other] as number) < 0 ? 1 : 0);
    lists.tracksTrue.push(tracksTrue);
  };
  // A tree that is only a leaf needs a split all the same; such splits stand behind the others.
  const bare: number[] = [];
  for (let tree = 0; tree + 1 < roots.length; tree += 1) {
    const root = roots[tree] as number;
    if ((feature[root] as number) < 0) {
      rootsOut.push(counts.splits + bare.length);
      bare.push(root);
    } else rootsOut.push(placeOf[root] as number);
    for (let node = root; node < (roots[tree + 1] as number); node += 1) {
      const asked = feature[node] as number;
      if (asked < 0) {
        leafTargets.push(tree % base.length);
        leafWeights.push(value[node] as number);
      } else if ((setAt[node] as number) < 0)
        addSplit(asked, modes.lessOrEqual, value[node] as number, node + 1, right[node] as number, missingLeft[node] as number);
      else {
        const levels = levelsLeft(trees, node);
        members.push(...levels, ...(levels.length === 0 ? [] : [Number.NaN]));
        // The operator takes no empty set; no level is that small.
        const mode = levels.length === 0 ? modes.lessOrEqual : modes.member;
        addSplit(asked, mode, -1, node + 1, right[node] as number, missingLeft[node] as number);
      }
    }
  }
  for (const leaf of bare) addSplit(0, modes.lessOrEqual, 0, leaf, leaf, 0);
  const tensor = (tensorOf: Tensor): Attribute => ({ kind: 'tensor', value: tensorOf });
  return {
    n_targets: int(base.length),
    aggregate_function: int(1),
    post_transform: int(0),
    tree_roots: ints(rootsOut),
    nodes_featureids: ints(lists.featureIds),
    nodes_modes: tensor({ type: 'uint8', dims: [lists.modes.length], data: Uint8Array.from(lists.modes) }),
    nodes_splits: tensor(floats([lists.splits.length], lists.splits)),
    nodes_truenodeids: ints(lists.trues),
    nodes_trueleafs: ints(lists.trueLeaves),
    nodes_falsenodeids: ints(lists.falses),
    nodes_falseleafs: ints(lists.falseLeaves),
    nodes_missing_value_tracks_true: ints(lists.tracksTrue),
    leaf_targetids: ints(leafTargets),
    leaf_weights: tensor(floats([leafWeights.length], leafWeights)),
    ...(members.length === 0 ? {} : { membership_values: tensor(floats([members.length], members)) }),
  };
}

function levelsLeft({ sets, setAt, levels, feature }: TreeEnsemble, node: number): number[] {
  const from = setAt[node] as number;
  const count = levels[feature[node] as number] as number;
  return Array.from({ length: count }, (_, level) => level).filter((level) => (((sets[from + (level >>> 5)] as number) >>> (level & 31)) & 1) === 1);
}
