import { partKinds } from '@serin/inference/bin-scene/parameters';
import type { Part } from '@serin/inference/detections';

import type { Tensor } from '../../onnx/graph.ts';
import { cellCount, cellSize, gridHeight, gridWidth, kinds, poseFields } from './network.ts';

/** What the network should say of one frame: heat maps, poses, and how much each pose counts. */
export interface FrameTargets {
  /** [kinds, rows, columns]: 1 in the cell of a centre, falling off around it. */
  readonly heat: Float32Array;
  /** [poseFields, kinds, rows, columns] */
  readonly pose: Float32Array;
  /** [poseFields, kinds, rows, columns] */
  readonly weight: Float32Array;
}

export const heatNumbers = kinds * cellCount;
export const poseNumbers = poseFields * kinds * cellCount;

const reach = 2;
/** Of the bump around a centre, in cells. */
const bumpDeviation = 0.75;
/** Neighbours of the cell of a centre learn its pose too: a peak one cell aside still says where the part lies. */
const poseReach = 1;

/** Writes the targets of one frame; the arrays are overwritten as a whole. */
export function writeTargets(parts: readonly Part[], { heat, pose, weight }: FrameTargets): void {
  heat.fill(0);
  weight.fill(0);
  for (const { label, x, y, angle } of parts) {
    const column = Math.floor(x / cellSize);
    const row = Math.floor(y / cellSize);
    const symmetry = partKinds[label]?.symmetry ?? 1;
    const turned = symmetry === Infinity ? 0 : angle * symmetry;
    for (let r = Math.max(0, row - reach); r <= Math.min(gridHeight - 1, row + reach); r += 1) {
      for (let c = Math.max(0, column - reach); c <= Math.min(gridWidth - 1, column + reach); c += 1) {
        const apart = (r - row) ** 2 + (c - column) ** 2;
        const bump = apart === 0 ? 1 : Math.exp(-apart / (2 * bumpDeviation ** 2));
        const cell = (label * gridHeight + r) * gridWidth + c;
        // The nearer of two parts of a kind has the say.
        if (bump <= (heat[cell] ?? 0)) continue;
        heat[cell] = bump;
        if (Math.abs(r - row) > poseReach || Math.abs(c - column) > poseReach) continue;
        const values = [x / cellSize - c - 0.5, y / cellSize - r - 0.5, Math.cos(turned), Math.sin(turned)];
        for (let field = 0; field < poseFields; field += 1) {
          const at = field * heatNumbers + cell;
          pose[at] = values[field] ?? 0;
          weight[at] = symmetry === Infinity && field >= 2 ? 0 : bump;
        }
      }
    }
  }
}

/** The targets of frames one after the other, as the loss asks for them. */
export function targetsOf(frames: readonly (readonly Part[])[]): Record<'heat' | 'pose' | 'poseWeight', Tensor> {
  const count = frames.length;
  const heat = new Float32Array(count * heatNumbers);
  const pose = new Float32Array(count * poseNumbers);
  const weight = new Float32Array(count * poseNumbers);
  const slice = (all: Float32Array, size: number, at: number): Float32Array => all.subarray(at * size, (at + 1) * size);
  frames.forEach((parts, at) =>
    writeTargets(parts, { heat: slice(heat, heatNumbers, at), pose: slice(pose, poseNumbers, at), weight: slice(weight, poseNumbers, at) }),
  );
  const poseDims = [count, poseFields, kinds, gridHeight, gridWidth];
  return {
    heat: { type: 'float32', dims: [count, kinds, gridHeight, gridWidth], data: heat },
    pose: { type: 'float32', dims: poseDims, data: pose },
    poseWeight: { type: 'float32', dims: poseDims, data: weight },
  };
}
