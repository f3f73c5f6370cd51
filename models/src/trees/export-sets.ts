import type { TreeEnsemble } from '@serin/inference/trees/ensemble';

import type { GraphBuilder } from '../onnx/builder.ts';
import { floats, int } from '../onnx/graph.ts';
import { elementTypeCodes } from '../onnx/model-file.ts';
import { addLevels, justBelow } from './tabular-graph.ts';

/*
 * Splits by a category, for runtimes whose trees only compare. (The operator of the newer standard that has sets answers
 * wrongly in the runtime of browsers, from 32 levels on.) A set with few gaps is a chain of comparisons with the places where
 * going left and going right change. Any other is looked up: a table says of each level, and of what is missing, whether it
 * goes left, and its answers stand behind the features as if they were features too.
 */

/** Comparisons up to which a chain is worth no table. */
const chainMax = 8;

/** The operator's lists of nodes, as they grow. */
export interface NodeLists {
  readonly trees: number[];
  readonly ids: number[];
  readonly features: number[];
  readonly modes: string[];
  readonly values: number[];
  readonly trues: number[];
  readonly falses: number[];
  readonly missing: number[];
  add(tree: number, id: number, split?: Comparison): void;
}

interface Comparison {
  readonly feature: number;
  /** The largest value that goes left. */
  readonly value: number;
  readonly left: number;
  readonly right: number;
  readonly isMissingLeft: boolean;
}

export function createNodeLists(): NodeLists {
  const lists = {
    trees: [] as number[],
    ids: [] as number[],
    features: [] as number[],
    modes: [] as string[],
    values: [] as number[],
    trues: [] as number[],
    falses: [] as number[],
    missing: [] as number[],
  };
  return {
    ...lists,
    add: (tree, id, split) => {
      lists.trees.push(tree);
      lists.ids.push(id);
      lists.features.push(split?.feature ?? 0);
      lists.modes.push(split === undefined ? 'LEAF' : 'BRANCH_LEQ');
      lists.values.push(split?.value ?? 0);
      lists.trues.push(split?.left ?? 0);
      lists.falses.push(split?.right ?? 0);
      lists.missing.push(split?.isMissingLeft === true ? 1 : 0);
    },
  };
}

export interface SetPlan {
  /** By feature, the different answers that are looked up: 1 a level that goes left, the last one for what is missing. */
  readonly tables: ReadonlyMap<number, readonly Uint8Array[]>;
  /** By node, which feature the answer has become. */
  readonly columnOf: ReadonlyMap<number, number>;
}

/** Which sets are looked up, and where their answers will stand. */
export function planSets(trees: TreeEnsemble): SetPlan {
  const places = new Map<number, Map<string, { readonly answers: Uint8Array; readonly nodes: number[] }>>();
  trees.feature.forEach((feature, node) => {
    if (feature < 0 || (trees.setAt[node] as number) < 0 || changesOf(membership(trees, node)).length <= chainMax) return;
    const answers = Uint8Array.from([...membership(trees, node), trees.missingLeft[node] === 1], Number);
    const ofFeature = places.get(feature) ?? new Map<string, { answers: Uint8Array; nodes: number[] }>();
    places.set(feature, ofFeature);
    const key = answers.join('');
    const place = ofFeature.get(key) ?? { answers, nodes: [] };
    ofFeature.set(key, place);
    place.nodes.push(node);
  });
  const columnOf = new Map<number, number>();
  let column = trees.levels.length;
  for (const ofFeature of places.values()) {
    for (const { nodes } of ofFeature.values()) {
      for (const node of nodes) columnOf.set(node, column);
      column += 1;
    }
  }
  return { tables: new Map([...places].map(([feature, ofFeature]) => [feature, [...ofFeature.values()].map(({ answers }) => answers)])), columnOf };
}

/** The features as trees take them: what is no level of a category is missing, and answers that are looked up stand behind. */
export function addSets(builder: GraphBuilder, { levels }: TreeEnsemble, { tables }: SetPlan): string {
  const { isKnown, placeOf } = addLevels(builder, levels);
  const features = builder.add('Where', [isKnown, 'features', builder.constant(floats([], [Number.NaN]))]);
  if (tables.size === 0) return features;
  const found = [...tables].map(([feature, columns]) => {
    const rows = (levels[feature] as number) + 1;
    const table = new Uint8Array(rows * columns.length);
    // 0 goes left, by a comparison with less than 1.
    columns.forEach((answers, column) => answers.forEach((isLeft, row) => (table[row * columns.length + column] = 1 - isLeft)));
    return builder.add('Gather', [builder.constant({ type: 'uint8', dims: [rows, columns.length], data: table }), placeOf(feature)], { axis: int(0) });
  });
  const answers = found.length === 1 ? (found[0] as string) : builder.add('Concat', found, { axis: int(1) });
  return builder.add('Concat', [features, builder.add('Cast', [answers], { to: int(elementTypeCodes.float32) })], { axis: int(1) });
}

export interface SetSplit {
  readonly tree: number;
  readonly node: number;
  readonly id: number;
  /** The first number that no node of the tree has. */
  readonly nextId: number;
  readonly left: number;
  readonly right: number;
}

/** Adds a split by a category; returns the first number that is free then. */
export function addSet(nodes: NodeLists, { columnOf }: SetPlan, trees: TreeEnsemble, { tree, node, id, nextId, left, right }: SetSplit): number {
  const isMissingLeft = trees.missingLeft[node] === 1;
  const column = columnOf.get(node);
  if (column !== undefined) {
    nodes.add(tree, id, { feature: column, value: 0.5, left, right, isMissingLeft });
    return nextId;
  }
  const feature = trees.feature[node] as number;
  const isIn = membership(trees, node);
  const isFirstIn = isIn[0] ?? false;
  const changes = changesOf(isIn);
  if (changes.length === 0) {
    nodes.add(tree, id, { feature, value: isFirstIn ? Infinity : -Infinity, left, right, isMissingLeft });
    return nextId;
  }
  /** The first stretch of levels that goes where missing values go. */
  const missingStretch = isFirstIn === isMissingLeft ? 0 : 1;
  const goalOf = (stretch: number): number => ((stretch % 2 === 0) === isFirstIn ? left : right);
  changes.forEach((change, stretch) => {
    // The runtime lets several nodes name the same first child; the second one must be their own.
    const next = stretch === changes.length - 1 ? goalOf(stretch + 1) : nextId + stretch;
    const at = stretch === 0 ? id : nextId + stretch - 1;
    nodes.add(tree, at, { feature, value: justBelow(change), left: goalOf(stretch), right: next, isMissingLeft: stretch === missingStretch });
  });
  return nextId + changes.length - 1;
}

/** Of each level, whether it goes left. */
function membership({ sets, setAt, levels, feature }: TreeEnsemble, node: number): boolean[] {
  const from = setAt[node] as number;
  return Array.from({ length: levels[feature[node] as number] as number }, (_, level) => (((sets[from + (level >>> 5)] as number) >>> (level & 31)) & 1) === 1);
}

/** Levels that go elsewhere than the one before. */
const changesOf = (isIn: readonly boolean[]): number[] => isIn.flatMap((isLeft, level) => (level > 0 && isLeft !== isIn[level - 1] ? [level] : []));
