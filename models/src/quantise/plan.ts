import type { Model, Node } from '../onnx/graph.ts';
import { inferModel, type InferOptions } from '../onnx/infer-model.ts';
import { valuesRead } from '../onnx/scope.ts';
import { costOf, dequantiseCost, quantiseCost } from './costs.ts';
import { findInputStage, type InputStage } from './input-stage.ts';
import { createFlowGraph } from './min-cut.ts';
import { isCandidate, judgeOperator, type Candidate, type Facts, type Refusal } from './operators.ts';
import type { ValueRange } from './parameters.ts';
import type { LeftInFloat, QuantiseReport } from './report.ts';

export interface PlanOptions extends Pick<InferOptions, 'dimensions'> {
  /** Names of nodes that stay float. */
  readonly exclude?: ReadonlySet<string>;
  /** Where they are known, what joins very different ones stays float. */
  readonly ranges?: ReadonlyMap<string, ValueRange> | undefined;
  /** Quantise whatever can be, without asking whether it pays. */
  readonly eager?: boolean;
}

/** What becomes of one node. */
export type Step =
  | { readonly as: 'float'; readonly node: Node; readonly refusal: Refusal }
  | { readonly as: 'absorbed'; readonly node: Node }
  | {
      readonly as: 'bytes';
      readonly node: Node;
      readonly candidate: Candidate;
      /** Its results, in order; that of the Relu or Clip it absorbs in place of its own. */
      readonly outputs: readonly string[];
      /** A product nobody wants in 8 bits gives its result as floats, without rounding it. */
      readonly floatOutput: boolean;
    };

export interface Plan {
  /** In the order of the graph. */
  readonly steps: readonly Step[];
  readonly stage: InputStage | undefined;
  readonly facts: Facts;
  /** Values that are stored in 8 bits, or might be with other nodes excluded. */
  readonly values: ReadonlySet<string>;
}

/** Sizes of free dimensions nobody names: those of a middling picture. */
const sizeOtherwise = 64;
/** One scale for ranges that differ more leaves the smaller ones a handful of steps. */
const rangeRatioMax = 16;

/** Decides which nodes compute with 8 bits: those sets of neighbours that save more than converting at their borders costs. */
export function planQuantising(model: Model, options: PlanOptions = {}): Plan {
  const { exclude = new Set<string>() } = options;
  const { graph } = model;
  const { types } = inferModel(model, { tolerant: true, otherwise: sizeOtherwise, dimensions: options.dimensions ?? {} });
  // Not what follows from these sizes: it is another with others.
  const facts: Facts = { type: (name) => types.get(name), constant: (name) => graph.initialisers.get(name) };
  const found = findInputStage(graph);
  const stage = found !== undefined && [...found.nodes].some(({ name }) => exclude.has(name)) ? undefined : found;

  const readers = new Map<string, Node[]>();
  for (const node of graph.nodes) for (const name of new Set(valuesRead(node))) readers.set(name, [...(readers.get(name) ?? []), node]);
  const context: Context = {
    facts,
    stage,
    nodes: graph.nodes,
    makers: new Map(graph.nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const))),
    readers,
    outputs: new Set(graph.outputs.map(({ name }) => name)),
  };
  const judged = judgeNodes(context, options);
  const chosen = options.eager === true ? new Set([...judged].flatMap(([node, one]) => (isCandidate(one) ? [node] : []))) : chooseNodes(context, judged);
  const steps = stepsOf(context, judged, chosen);
  return { steps, stage, facts, values: valuesOf(context, steps) };
}

interface Context {
  readonly facts: Facts;
  readonly stage: InputStage | undefined;
  readonly nodes: readonly Node[];
  readonly makers: ReadonlyMap<string, Node>;
  readonly readers: ReadonlyMap<string, readonly Node[]>;
  /** Names of the graph's outputs. */
  readonly outputs: ReadonlySet<string>;
}
type Judged = ReadonlyMap<Node, Candidate | Refusal>;

const isProduct = (one: Candidate | Refusal | undefined): boolean =>
  one !== undefined && isCandidate(one) && (one.kind === 'weighted' || one.kind === 'product');
/** Costs nothing to have in 8 bits where its input is, and no precision. */
const isHarmless = ({ kind }: Candidate): boolean => kind === 'sharing' || kind === 'repeat' || kind === 'clip' || kind === 'rescale';

function judgeNodes(context: Context, { exclude = new Set(), ranges }: PlanOptions): Judged {
  const { nodes, stage, facts, readers, outputs } = context;
  const judged = new Map<Node, Candidate | Refusal>();
  for (const node of nodes) {
    if (stage?.nodes.has(node) === true) continue;
    judged.set(node, exclude.has(node.name) ? { reason: 'excluded', words: 'it was to stay float' } : judgeOperator(node, facts));
  }
  /** Whether a product comes after it, and whether a result of the model comes without a product between. */
  const before = new Set<Node>();
  const shown = new Set<Node>();
  for (const node of nodes.toReversed()) {
    const after = node.outputs.flatMap((name) => readers.get(name) ?? []);
    if (after.some((reader) => isProduct(judged.get(reader)) || before.has(reader))) before.add(node);
    if (node.outputs.some((name) => outputs.has(name)) || after.some((reader) => !isProduct(judged.get(reader)) && shown.has(reader))) shown.add(node);
  }
  for (const [node, one] of judged) {
    if (!isCandidate(one) || isProduct(one) || isHarmless(one)) continue;
    if (!before.has(node))
      judged.set(node, { reason: 'head', words: 'it comes after the last product: 8 bits would make the results coarser and hardly faster' });
    else if (node.operator === 'Concat' && shown.has(node) && ranges !== undefined && areApart(node, ranges)) {
      judged.set(node, { reason: 'ranges', words: 'it joins values of very different ranges, which keep a scale each' });
    }
  }
  return judged;
}

function areApart(node: Node, ranges: ReadonlyMap<string, ValueRange>): boolean {
  const reaches = node.inputs.flatMap((name) => {
    const range = ranges.get(name);
    return range === undefined ? [] : [Math.max(Math.abs(range.min), Math.abs(range.max))];
  });
  return Math.max(...reaches) > rangeRatioMax * Math.min(...reaches);
}

/**
 * The cheapest choice of all, as a minimal cut: a node on the source's side computes with 8 bits, one on the sink's with
 * floats, and every value read on the other side is converted once.
 */
function chooseNodes({ facts, nodes, stage, makers, readers, outputs }: Context, judged: Judged): Set<Node> {
  const flow = createFlowGraph();
  const places = new Map<Node, number>();
  for (const node of nodes) {
    const one = judged.get(node);
    if (one === undefined) places.set(node, flow.source);
    else if (!isCandidate(one)) places.set(node, flow.sink);
    else {
      const place = flow.node();
      places.set(node, place);
      const maker = makers.get(node.inputs[0] ?? '');
      const follows = readers.get(node.inputs[0] ?? '')?.length === 1 ? maker?.operator : undefined;
      const cost = costOf(node, one, facts, { follows, readers: (readers.get(node.outputs[0] ?? '') ?? []).map(({ operator }) => operator) });
      flow.edge(flow.source, place, cost.float);
      flow.edge(place, flow.sink, cost.bytes);
    }
  }
  for (const [name, reading] of readers) {
    const type = facts.type(name);
    const maker = makers.get(name);
    if (type?.type !== 'float32' || facts.constant(name) !== undefined) continue;
    const from = maker === undefined ? flow.sink : (places.get(maker) as number);
    const to = reading.map((node) => {
      const one = judged.get(node);
      const isTaken = one === undefined || !isCandidate(one) || one.data.some((index) => node.inputs[index] === name);
      return isTaken ? (places.get(node) as number) : flow.sink;
    });
    if (outputs.has(name)) to.push(flow.sink);
    const isFree = maker !== undefined && givesFloats(maker, judged.get(maker)) && stage?.output !== name;
    const [down, up] = [flow.node(), flow.node()];
    flow.edge(from, down, isFree ? 0 : dequantiseCost(type.dims));
    flow.edge(up, from, quantiseCost(type.dims));
    for (const place of to) {
      flow.edge(down, place, Infinity);
      flow.edge(place, up, Infinity);
    }
  }
  const side = flow.cut();
  return new Set([...judged].flatMap(([node, one]) => (isCandidate(one) && side[places.get(node) as number] === 1 ? [node] : [])));
}

/** The runtime's 8-bit kernels of these can give their result as floats. */
const givesFloats = (node: Node, one: Candidate | Refusal | undefined): boolean => isProduct(one) && node.operator !== 'Conv';

function stepsOf({ nodes, readers, outputs, facts }: Context, judged: Judged, chosen: ReadonlySet<Node>): Step[] {
  const steps: Step[] = [];
  const absorbed = new Set<Node>();
  const isTaken = (name: string): boolean => (readers.get(name) ?? []).some((node) => chosen.has(node));
  for (const node of nodes) {
    const one = judged.get(node);
    if (one === undefined || absorbed.has(node)) {
      steps.push({ as: 'absorbed', node });
      continue;
    }
    if (!isCandidate(one) || !chosen.has(node)) {
      steps.push({ as: 'float', node, refusal: isCandidate(one) ? tooDear(node, facts) : one });
      continue;
    }
    const [output = ''] = node.outputs;
    const reading = readers.get(output) ?? [];
    const [next] = reading;
    const following = next === undefined ? undefined : judged.get(next);
    const isLast = next !== undefined && reading.length === 1 && !outputs.has(output) && chosen.has(next) && next.inputs[0] === output;
    const absorbs = isLast && following !== undefined && isCandidate(following) && following.kind === 'clip' && hasOwnScale(one);
    const end = absorbs ? [next.outputs[0] ?? ''] : node.outputs;
    const floatOutput = givesFloats(node, one) && !absorbs && !isTaken(output);
    // A Relu alone after a product that need not round: no byte would be saved.
    const isIdle = absorbs && givesFloats(node, one) && !isTaken(end[0] ?? '');
    if (absorbs && !isIdle) absorbed.add(next);
    if (isIdle) {
      (chosen as Set<Node>).delete(next);
      steps.push({ as: 'bytes', node, candidate: one, outputs: node.outputs, floatOutput: true });
    } else steps.push({ as: 'bytes', node, candidate: one, outputs: end, floatOutput });
  }
  return steps;
}

/** Whether the scale of its output is for us to choose. */
const hasOwnScale = ({ kind }: Candidate): boolean => kind === 'weighted' || kind === 'product' || kind === 'kernel';

function tooDear(node: Node, { type }: Facts): Refusal {
  const elements = node.outputs.reduce((sum, name) => sum + (type(name)?.dims.reduce((count, dim) => count * dim, 1) ?? 0), 0);
  return { reason: 'cost', words: `its neighbours compute with floats: converting its ${elements} elements there and back would take longer than it saves` };
}

/** Everything next to a node that computes with 8 bits, the inside of what it absorbs too: excluding it makes that a border. */
function valuesOf({ facts, stage }: Context, steps: readonly Step[]): Set<string> {
  const values = new Set<string>();
  for (const step of steps) {
    if (step.as === 'float' || stage?.nodes.has(step.node) === true) continue;
    for (const name of [...step.node.inputs, ...step.node.outputs]) {
      if (name !== '' && facts.constant(name) === undefined && facts.type(name)?.type === 'float32') values.add(name);
    }
  }
  if (stage !== undefined) values.delete(stage.output);
  return values;
}

/** What became of every node, in words. */
export function reportPlan({ steps }: Plan, warnings: readonly string[]): QuantiseReport {
  const left = steps.flatMap((step): LeftInFloat[] => (step.as === 'float' ? [{ node: step.node.name, operator: step.node.operator, ...step.refusal }] : []));
  return {
    quantised: steps.flatMap((step) => (step.as === 'bytes' ? [step.node.name] : [])),
    absorbed: steps.flatMap((step) => (step.as === 'absorbed' ? [step.node.name] : [])),
    left,
    warnings,
  };
}
