import { partKinds } from '@serin/inference/bin-scene/parameters';
import { detectionFields } from '@serin/inference/detections';

import { createGraphBuilder } from '../../onnx/builder.ts';
import { floats, int, ints, longs, scalar, type Model } from '../../onnx/graph.ts';
import { cellCount, cellSize, detectionRows, detectionsOutput, gridWidth, heatName, kinds, poseFields, poseName } from './network.ts';

/** Peaks below this are noise; their rows are zero. */
export const scoreFloor = 0.1;
const placeFields = 4;

/** Of every cell of every heat map: its label, its middle in pixels, and the factor that undoes the symmetry of an angle. */
function placeTable(): Float32Array {
  const table = new Float32Array(kinds * cellCount * placeFields);
  partKinds.forEach(({ symmetry }, label) => {
    for (let cell = 0; cell < cellCount; cell += 1) {
      const column = cell % gridWidth;
      const row = Math.floor(cell / gridWidth);
      table.set([label, (column + 0.5) * cellSize, (row + 0.5) * cellSize, 1 / symmetry], (label * cellCount + cell) * placeFields);
    }
  });
  return table;
}

/**
 * Replaces the outputs by the detections read from the heat maps: a cell that is warmer than its neighbours is a part.
 * The last step of a deployed model; gradients do not go through it.
 */
export function withPeakPicking(model: Model): Model {
  const { graph } = model;
  const builder = createGraphBuilder(graph.name);
  for (const { name, type, dims } of graph.inputs) builder.input(name, type, dims);
  for (const [name, tensor] of graph.initialisers) builder.constant(tensor, name);
  for (const node of graph.nodes) builder.append(node);
  const add = (operator: string, inputs: readonly string[], attributes = {}): string => builder.add(operator, inputs, attributes);
  const whole = (values: readonly number[]): string => builder.constant(longs(values), builder.fresh('longs'));
  const number = (value: number): string => builder.constant(scalar(value), builder.fresh('number'));

  const warmth = add('Sigmoid', [heatName]);
  const around = add('MaxPool', [warmth], { kernel_shape: ints([3, 3]), strides: ints([1, 1]), pads: ints([1, 1, 1, 1]) });
  const peaks = add('Where', [add('Equal', [warmth, around]), warmth, number(0)]);
  const [scores, cells] = [builder.fresh('scores'), builder.fresh('cells')];
  builder.add('TopK', [add('Reshape', [peaks, whole([0, -1])]), whole([detectionRows])], { axis: int(-1) }, [scores, cells]);

  const places = add('Gather', [builder.constant(floats([kinds * cellCount, placeFields], placeTable()), builder.fresh('places')), cells], { axis: int(0) });
  const wanted = add('Expand', [add('Unsqueeze', [cells, whole([1])]), whole([1, poseFields, 1])]);
  const poses = add('GatherElements', [add('Reshape', [poseName, whole([0, poseFields, -1])]), wanted], { axis: int(2) });
  const columnsOf = (value: string, count: number, hint: string): string[] => {
    const names = Array.from({ length: count }, () => builder.fresh(hint));
    builder.add('Split', [value], { axis: int(2) }, names);
    return names;
  };
  const [label = '', middleX = '', middleY = '', unturn = ''] = columnsOf(places, placeFields, 'place');
  const [shiftX = '', shiftY = '', cos = '', sin = ''] = columnsOf(add('Transpose', [poses], { perm: ints([0, 2, 1]) }), poseFields, 'pose');

  const coordinate = (middle: string, shift: string): string => add('Add', [middle, add('Mul', [shift, number(cellSize)])]);
  // atan2 from atan: tan(a / 2) = sin / (radius + cos).
  const radius = add('Sqrt', [add('Add', [add('Mul', [cos, cos]), add('Mul', [sin, sin])])]);
  const half = add('Atan', [add('Div', [sin, add('Add', [add('Add', [radius, cos]), number(1e-6)])])]);
  const angle = add('Mul', [add('Mul', [half, number(2)]), unturn]);
  const score = add('Unsqueeze', [scores, whole([2])]);
  const rows = add('Concat', [label, coordinate(middleX, shiftX), coordinate(middleY, shiftY), angle, score], { axis: int(2) });
  builder.add('Where', [add('Greater', [score, number(scoreFloor)]), rows, number(0)], {}, [detectionsOutput]);
  builder.output(detectionsOutput, 'float32', ['N', detectionRows, detectionFields]);
  return { ...model, graph: builder.finish() };
}
