import type { GraphBuilder } from '../onnx/builder.ts';
import { modelLimits } from '../onnx/check.ts';
import { int, type Tensor } from '../onnx/graph.ts';
import { invalid, quote } from './config.ts';
import { shapeText, type LayerContext } from './layer.ts';
import { homeOf, valueOf, type AddNode, type Dims, type Value } from './values.ts';

/** The graph as it grows, with the weights it is made of. */
export interface Sheet {
  readonly builder: GraphBuilder;
  readonly rows: ReadonlyMap<string, number>;
  adder(path: string): AddNode;
  /** `scope` is what the weights of the layer are called by, `path` where it stands among nested models. */
  contextOf(title: string, scope: string, path: string, inputs: readonly Value[]): LayerContext;
  asFloat(value: Value, path: string): Value;
  unusedWeights(): string[];
}

export function createSheet(builder: GraphBuilder, weights: ReadonlyMap<string, Tensor>, unrolls: boolean): Sheet {
  const store = createWeights(weights);
  const stored = new Map<string, string>();
  const rows = new Map<string, number>();
  const floats = new Map<Value, Value>();
  let nodes = 0;

  const addAll = (path: string, operator: string, inputs: readonly string[], results: number, attributes: Parameters<AddNode>[2] = {}): readonly string[] => {
    nodes += 1;
    if (nodes > modelLimits.nodesMax) throw invalid(`it takes more than ${modelLimits.nodesMax} nodes`, 'Make the model smaller');
    const outputs = Array.from({ length: results }, () => builder.fresh(`${path}/${operator}`));
    builder.add(operator, inputs, attributes, outputs);
    return outputs;
  };
  const adder =
    (path: string): AddNode =>
    (operator, inputs, attributes) =>
      addAll(path, operator, inputs, 1, attributes)[0] ?? '';

  const contextOf = (title: string, scope: string, path: string, inputs: readonly Value[]): LayerContext => ({
    title,
    inputs,
    unrolls,
    add: adder(path),
    addAll: (operator, names, results, attributes) => addAll(path, operator, names, results, attributes),
    weight: (name, dims) => store.take(`${scope}/${name}`, dims, title),
    store: (name, make) => {
      const key = `${path}/${name}`;
      const known = stored.get(key);
      if (known !== undefined) return known;
      const made = builder.constant(make(), builder.fresh(key));
      stored.set(key, made);
      return made;
    },
    constant: (tensor) => builder.constant(tensor, builder.fresh(`${path}/constant`)),
    indexes: (input, count) => rows.set(input, Math.min(count, rows.get(input) ?? count)),
    within: (inner, own) => (inner === '' ? contextOf(title, scope, path, own) : contextOf(title, `${scope}/${inner}`, `${path}/${inner}`, own)),
  });

  return {
    builder,
    rows,
    adder,
    contextOf,
    unusedWeights: store.unused,
    asFloat: (value, path) => {
      if (value.type === 'float32') return value;
      const float32 = 1;
      const home = homeOf(value);
      const known = floats.get(value) ?? valueOf(adder(path)('Cast', [value.forms.get(home) ?? ''], { to: int(float32) }), value.dims, home);
      floats.set(value, known);
      return known;
    },
  };
}

interface Weights {
  take(name: string, dims: Dims, title: string): Tensor;
  unused(): string[];
}

function createWeights(weights: ReadonlyMap<string, Tensor>): Weights {
  // Keras puts the cell of a recurrent layer into the name, and tfjs takes it out again.
  const short = new Map([...weights.keys()].map((name) => [name.split('/').toSpliced(-2, 1).join('/'), name]));
  const used = new Set<string>();
  return {
    take: (name, dims, title) => {
      const found = weights.has(name) ? name : (short.get(name) ?? '');
      const tensor = weights.get(found);
      if (tensor === undefined) throw invalid(`${title}: its weight ${quote(name)} is missing`, 'Copy all files of the model again');
      if (tensor.type !== 'float32' || tensor.dims.length !== dims.length || tensor.dims.some((dim, axis) => dim !== (dims[axis] ?? dim))) {
        throw invalid(`${title}: its weight ${quote(name)} should be ${shapeText(dims)}, found ${tensor.type} ${shapeText(tensor.dims)}`);
      }
      used.add(found);
      return tensor;
    },
    unused: () => [...weights.keys()].filter((name) => !used.has(name)),
  };
}
