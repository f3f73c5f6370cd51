import { partKinds } from '@serin/inference/bin-scene/parameters';

import { detectionsOutput, writeDetections } from '../../deploy/detections.ts';
import { extendModel } from '../../deploy/extend.ts';
import { keepEmbedding } from '../../deploy/heads.ts';
import { int, ints, type Model } from '../../onnx/graph.ts';
import { cellCount, cellSize, detectionRows, gridWidth, heatName, poseFields, poseName } from './network.ts';

/** Peaks below this are noise; their rows are zero. */
export const scoreFloor = 0.1;
/** A kind's label, and the factor that undoes the symmetry of its angle. */
const kindTable = Float32Array.from(partKinds.flatMap(({ symmetry }, label) => [label, 1 / symmetry]));
/** Where the middle of a cell is, in pixels. */
const cellTable = Float32Array.from({ length: 2 * cellCount }, (_, index) => {
  const cell = Math.floor(index / 2);
  return ((index % 2 === 0 ? cell % gridWidth : Math.floor(cell / gridWidth)) + 0.5) * cellSize;
});

/**
 * Replaces the outputs by the detections read from the heat maps: a cell that is warmer than its neighbours is a part.
 * The last step of a deployed model; gradients do not go through it.
 */
export function withPeakPicking(model: Model): Model {
  return extendModel(model, { stem: 'peaks', makes: [detectionsOutput], keep: keepEmbedding }, (tools) => {
    const { add, whole, number, split, several } = tools;
    const warmth = add('Sigmoid', [heatName]);
    const around = add('MaxPool', [warmth], { kernel_shape: ints([3, 3]), strides: ints([1, 1]), pads: ints([1, 1, 1, 1]) });
    const peaks = add('Where', [add('Equal', [warmth, around]), warmth, number(0)]);
    const [scores = '', places = ''] = several('TopK', [add('Reshape', [peaks, whole([0, -1])]), whole([detectionRows])], 2, { axis: int(-1) });

    const wanted = add('Expand', [add('Unsqueeze', [places, whole([1])]), whole([1, poseFields, 1])]);
    const poses = add('GatherElements', [add('Reshape', [poseName, whole([0, poseFields, -1])]), wanted], { axis: int(2) });
    const columnsOf = (value: string, count: number): string[] =>
      split(
        value,
        2,
        Array.from({ length: count }, () => 1),
      );
    const looked = (values: Float32Array, index: string): string => add('Gather', [tools.table([values.length / 2, 2], values), index], { axis: int(0) });
    const cells = whole([cellCount]);
    const [label = '', unturn = ''] = columnsOf(looked(kindTable, add('Div', [places, cells])), 2);
    const [middleX = '', middleY = ''] = columnsOf(looked(cellTable, add('Mod', [places, cells])), 2);
    const [shiftX = '', shiftY = '', cos = '', sin = ''] = columnsOf(add('Transpose', [poses], { perm: ints([0, 2, 1]) }), poseFields);

    const coordinate = (middle: string, shift: string): string => add('Add', [middle, add('Mul', [shift, number(cellSize)])]);
    // atan2 from atan: tan(a / 2) = sin / (radius + cos).
    const radius = add('Sqrt', [add('Add', [add('Mul', [cos, cos]), add('Mul', [sin, sin])])]);
    const half = add('Atan', [add('Div', [sin, add('Add', [add('Add', [radius, cos]), number(1e-6)])])]);
    const angle = add('Mul', [add('Mul', [half, number(2)]), unturn]);
    const score = add('Unsqueeze', [scores, whole([2])]);
    const rows = { label, x: coordinate(middleX, shiftX), y: coordinate(middleY, shiftY), angle, score };
    writeDetections(rows, add('Greater', [score, number(scoreFloor)]), ['N', detectionRows], tools);
  });
}
