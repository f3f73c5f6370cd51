import { numberAttribute } from '../graph.ts';
import { at, mismatch, shapeText, type ShapeRule } from './rule.ts';

const treeRegressor: ShapeRule = ({ node, input }) => {
  const { dims } = input(0);
  if (dims.length !== 2) throw mismatch(node, `expected rows of features, found ${shapeText(dims)}`);
  return [{ type: 'float32', dims: [at(dims, 0), numberAttribute(node, 'n_targets', 1)] }];
};

/** Operators of ai.onnx.ml. */
export const treeShapes: Readonly<Record<string, ShapeRule>> = { TreeEnsembleRegressor: treeRegressor };
