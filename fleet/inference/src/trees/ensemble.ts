/**
 * Boosted trees as flat arrays. Nodes of a tree lie in preorder, one tree behind the other: the left child of a node is
 * the next node, the right one is named.
 */
export interface TreeEnsemble {
  /** One a feature, in the order of the model's columns: how many levels a category has, 0 for a number. */
  readonly levels: Int32Array;
  /** What makes an answer of the margins. */
  readonly link: 'identity' | 'logistic' | 'softmax';
  /** The margins before any tree: one, or one a class under `softmax`. Tree t adds to margin t modulo their number. */
  readonly base: Float32Array;
  /** The first node of every tree, and the number of all nodes at the end. */
  readonly roots: Int32Array;
  /** The feature a node asks for; -1 for a leaf. */
  readonly feature: Int16Array;
  readonly right: Int32Array;
  /** Of a leaf, what it adds; of a split by a number, the largest one that goes left. */
  readonly value: Float32Array;
  /** Whether a missing value goes left: NaN, or no level of the category. */
  readonly missingLeft: Uint8Array;
  /** Where the levels that go left begin in `sets`, a bit each; -1 unless the split is by a category. */
  readonly setAt: Int32Array;
  readonly sets: Uint32Array;
  /** Training rows that came by: what an explanation weighs branches by. */
  readonly cover: Float32Array;
  /** What a split won in training; 0 for a leaf. */
  readonly gain: Float32Array;
}

export const treeCount = ({ roots }: TreeEnsemble): number => roots.length - 1;

/** One tree, whose nodes and sets are counted from 0. */
export type TreeNodes = Omit<TreeEnsemble, 'levels' | 'link' | 'base' | 'roots'>;
