import type { Node, Tensor } from './graph.ts';
import { creationShapes } from './shape-rules/creation.ts';
import { elementwiseShapes } from './shape-rules/elementwise.ts';
import { gatherShapes } from './shape-rules/gather.ts';
import { linearShapes } from './shape-rules/linear.ts';
import { movementShapes } from './shape-rules/movement.ts';
import { quantisedShapes } from './shape-rules/quantised.ts';
import { recurrentShapes } from './shape-rules/recurrent.ts';
import { reductionShapes } from './shape-rules/reduction.ts';
import { mismatch, unsupported, type ShapeRule, type ValueType } from './shape-rules/rule.ts';
import { spatialShapes } from './shape-rules/spatial.ts';
import { treeShapes } from './shape-rules/trees.ts';

const shapeRules: Readonly<Record<string, ShapeRule>> = {
  ...elementwiseShapes,
  ...reductionShapes,
  ...movementShapes,
  ...gatherShapes,
  ...creationShapes,
  ...linearShapes,
  ...spatialShapes,
  ...recurrentShapes,
  ...quantisedShapes,
};

const rulesOf = (domain: string): Readonly<Record<string, ShapeRule>> =>
  domain === '' || domain === 'ai.onnx' ? shapeRules : domain === 'ai.onnx.ml' ? treeShapes : {};

/** The types of a node's outputs, in order, from those of its inputs. */
export function inferNode(node: Node, types: ReadonlyMap<string, ValueType>, constants: ReadonlyMap<string, Tensor>): ValueType[] {
  const rule = rulesOf(node.domain)[node.operator];
  if (rule === undefined) throw unsupported(node, `the operator ${node.domain === '' ? '' : `${node.domain}:`}${node.operator} has no shape rule`);

  const constant = (index: number): readonly number[] | undefined => {
    const tensor = constants.get(node.inputs[index] ?? '');
    return tensor === undefined ? undefined : Array.from(tensor.data as ArrayLike<number | bigint>, Number);
  };
  const found = rule({
    node,
    constant,
    has: (index) => (node.inputs[index] ?? '') !== '',
    input: (index) => {
      const name = node.inputs[index] ?? '';
      const type = types.get(name);
      if (type === undefined) throw mismatch(node, name === '' ? `input ${index} is missing` : `input ${name} is not defined before it`);
      return type;
    },
    fixed: (index, what) => {
      const values = constant(index);
      if (values === undefined) throw unsupported(node, `its ${what}: known only at run time`, 'Export the model with fixed shapes');
      return values;
    },
  });
  if (found.length < node.outputs.length) throw unsupported(node, `${node.outputs.length} outputs, of which only ${found.length} are known`);
  return found;
}
