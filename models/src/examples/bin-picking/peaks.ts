import { partKinds } from '@serin/inference/bin-scene/parameters';

import { detectionsOutput, writeDetections } from '../../deploy/detections.ts';
import { extendModel } from '../../deploy/extend.ts';
import { keepEmbedding } from '../../deploy/heads.ts';
import { int, ints, type Model } from '../../onnx/graph.ts';
import { cellCount, cellSize, detectionRows, gridWidth, heatName, poseFields, poseName } from './network.ts';
import { asTheyAre, type ScoreScale } from './scores.ts';

/** Peaks of less warmth are noise, whatever score that is; their rows are zero. */
export const warmthFloor = 0.1;
/** A kind's label, and the factor that undoes the symmetry of its angle. */
const kindTable = Float32Array.from(partKinds.flatMap(({ symmetry }, label) => [label, 1 / symmetry]));
/** As good as minus infinity, which not every kernel likes. */
const coldest = -1e4;
/** Where the middle of a cell is, in pixels. */
const cellTable = Float32Array.from({ length: 2 * cellCount }, (_, index) => {
  const cell = Math.floor(index / 2);
  return ((index % 2 === 0 ? cell % gridWidth : Math.floor(cell / gridWidth)) + 0.5) * cellSize;
});

/**
 * Replaces the outputs by the detections read from the heat maps: a cell that is warmer than its neighbours is a part.
 * Which cell is one hangs on the heat alone; the scale says what score it is given. The last step of a deployed model; gradients do
 * not go through it.
 */
export function withPeakPicking(model: Model, { temperature, shift }: ScoreScale = asTheyAre): Model {
  return extendModel(model, { stem: 'peaks', makes: [detectionsOutput], keep: keepEmbedding }, (tools) => {
    const { add, whole, number, split, several } = tools;
    const around = add('MaxPool', [heatName], { kernel_shape: ints([3, 3]), strides: ints([1, 1]), pads: ints([1, 1, 1, 1]) });
    const peaks = add('Where', [add('Equal', [heatName, around]), heatName, number(coldest)]);
    const [heat = '', places = ''] = several('TopK', [add('Reshape', [peaks, whole([0, -1])]), whole([detectionRows])], 2, { axis: int(-1) });

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
    const warmth = add('Unsqueeze', [heat, whole([2])]);
    const scaled = temperature === 1 ? warmth : add('Mul', [warmth, number(1 / temperature)]);
    const score = add('Sigmoid', [shift === 0 ? scaled : add('Add', [scaled, number(shift)])]);
    const rows = { label, x: coordinate(middleX, shiftX), y: coordinate(middleY, shiftY), angle, score };
    writeDetections(rows, add('Greater', [warmth, number(Math.log(warmthFloor / (1 - warmthFloor)))]), ['N', detectionRows], tools);
  });
}
