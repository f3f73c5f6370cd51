import { createGraphBuilder, type GraphBuilder } from '../onnx/builder.ts';
import { floats, int, longs, type Model } from '../onnx/graph.ts';
import { elementTypeCodes } from '../onnx/model-file.ts';
import { linkOf } from '../trees/objective.ts';
import { addAnswer, addLevels, marginsName, tabularModel } from '../trees/tabular-graph.ts';
import type { LinearModel } from './train-linear.ts';

/** The model as an ONNX graph with the inputs and outputs of `exportTrees`. */
export function exportLinear(model: LinearModel, metadata: Record<string, string> = {}): Model {
  const { columns, objective, intercept, terms } = model;
  const outputs = intercept.length;
  const link = linkOf(objective);
  const builder = createGraphBuilder('linear');
  builder.input('features', 'float32', ['N', columns.length]);
  const parts = terms.length === 0 ? [addNothing(builder)] : [...addNumbers(builder, model), ...addCategories(builder, model)];
  const margins = builder.add('Sum', [...parts, builder.constant(floats([1, outputs], intercept))], {}, [marginsName(builder, link)]);
  addAnswer(builder, link, outputs, margins);
  return tabularModel(builder, metadata);
}

/** A zero a row. */
function addNothing(builder: GraphBuilder): string {
  const first = builder.add('Gather', ['features', builder.constant(longs([0]))], { axis: int(1) });
  const isMissing = builder.add('Cast', [builder.add('IsNaN', [first])], { to: int(elementTypeCodes.float32) });
  return builder.add('Mul', [isMissing, builder.constant(floats([], [0]))]);
}

function addNumbers(builder: GraphBuilder, { columns, terms, means, scales, intercept }: LinearModel): string[] {
  const outputs = intercept.length;
  const numbers = columns.flatMap(({ kind }, place) => (kind === 'number' ? [place] : []));
  if (numbers.length === 0) return [];
  const row = (of: Float32Array): string =>
    builder.constant(
      floats(
        [1, numbers.length],
        numbers.map((place) => of[place] as number),
      ),
    );
  const weights = (which: number): string =>
    builder.constant(
      floats(
        [numbers.length, outputs],
        numbers.flatMap((place) => Array.from((terms[place] as Float32Array).subarray(which * outputs, (which + 1) * outputs))),
      ),
    );
  const values = builder.add('Gather', ['features', builder.constant(longs(numbers))], { axis: int(1) });
  // A number that is not finite has nothing to say either: times zero it is zero for all that are.
  const isMissing = builder.add('IsNaN', [builder.add('Mul', [values, builder.constant(floats([], [0]))])]);
  const standard = builder.add('Mul', [builder.add('Sub', [values, row(means)]), row(scales)]);
  const known = builder.add('Where', [isMissing, builder.constant(floats([], [0])), standard]);
  const missing = builder.add('Cast', [isMissing], { to: int(elementTypeCodes.float32) });
  return [builder.add('MatMul', [known, weights(0)]), builder.add('MatMul', [missing, weights(1)])];
}

function addCategories(builder: GraphBuilder, { columns, terms, intercept }: LinearModel): string[] {
  const levels = Int32Array.from(columns, (column) => (column.kind === 'category' ? column.levels.length : 0));
  const categories = columns.flatMap(({ kind }, place) => (kind === 'category' ? [place] : []));
  if (categories.length === 0) return [];
  const { placeOf } = addLevels(builder, levels);
  return categories.map((category) => {
    const table = floats([(levels[category] as number) + 1, intercept.length], terms[category] as Float32Array);
    return builder.add('Gather', [builder.constant(table), placeOf(category)], { axis: int(0) });
  });
}
