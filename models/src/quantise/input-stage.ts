import { numberAttribute, type Graph, type Node } from '../onnx/graph.ts';
import type { QuantisedRange } from './parameters.ts';

/** A uint8 input that the graph only casts, shifts and scales is quantised already, without loss. */
export interface InputStage {
  readonly input: string;
  /** The float value at the end of the stage. */
  readonly output: string;
  readonly range: QuantisedRange;
  /** Transposes met on the way; they move to the uint8 side. */
  readonly moves: readonly Node[];
  readonly nodes: ReadonlySet<Node>;
}

const castToFloat = 1;

export function findInputStage(graph: Graph): InputStage | undefined {
  const bytes = new Set(graph.inputs.filter((input) => input.type === 'uint8').map((input) => input.name));
  const cast = graph.nodes.find((node) => node.operator === 'Cast' && bytes.has(node.inputs[0] ?? '') && numberAttribute(node, 'to', 0) === castToFloat);
  if (cast === undefined) return undefined;

  const nodes = new Set([cast]);
  const moves: Node[] = [];
  let scale = 1;
  let zeroPoint = 0;
  let output = cast.outputs[0] ?? '';

  for (;;) {
    const consumers = graph.nodes.filter((node) => node.inputs.includes(output));
    const [next] = consumers;
    if (next === undefined || consumers.length > 1 || graph.outputs.some(({ name }) => name === output)) break;
    if (next.operator === 'Transpose') moves.push(next);
    else {
      const factor = scalarOperand(graph, next, output);
      if (factor === undefined) break;
      if (next.operator === 'Mul') scale *= factor;
      else if (next.operator === 'Div' && next.inputs[0] === output) scale /= factor;
      else if (next.operator === 'Sub' && next.inputs[0] === output) zeroPoint += factor / scale;
      else if (next.operator === 'Add') zeroPoint -= factor / scale;
      else break;
    }
    nodes.add(next);
    output = next.outputs[0] ?? '';
  }

  const whole = Math.round(zeroPoint);
  if (Math.abs(zeroPoint - whole) > 1e-6 || whole < 0 || whole > 255 || !(scale > 0)) return undefined;
  return { input: cast.inputs[0] ?? '', output, range: { scale: Math.fround(scale), zeroPoint: whole }, moves, nodes };
}

function scalarOperand(graph: Graph, node: Node, value: string): number | undefined {
  const other = node.inputs.find((input) => input !== value);
  const tensor = graph.initialisers.get(other ?? '');
  return tensor?.type === 'float32' && tensor.data.length === 1 ? Number(tensor.data[0]) : undefined;
}
