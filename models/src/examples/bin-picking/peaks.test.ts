import { expect, test } from 'vitest';

import { designLight, partKinds } from '@serin/inference/bin-scene/parameters';
import { renderBin } from '@serin/inference/bin-scene/render';
import { detectionFields, readDetections, turnBetween, type Detection, type Part } from '@serin/inference/detections';
import { seededRandom } from '@serin/inference/random';
import { evaluateDetections } from '../../evaluate/detection.ts';
import { createModel } from '../../onnx/graph.ts';
import { writeModel } from '../../onnx/model-file.ts';
import { openSession, runtimeTensor } from '../../onnx/session.ts';
import { detectionRows, detectionsOutput, gridHeight, gridWidth, heatName, kinds, poseFields, poseName } from './network.ts';
import { withPeakPicking } from './peaks.ts';
import { heatNumbers, poseNumbers, writeTargets } from './targets.ts';

const plate = 2;
const bolt = 3;
const heatDims = [kinds, gridHeight, gridWidth];
const poseDims = [poseFields, kinds, gridHeight, gridWidth];

/** Only the last step of a deployed model: heat maps and poses in, detections out. */
const picker = withPeakPicking(
  createModel({
    name: 'picker',
    inputs: [
      { name: heatName, type: 'float32', dims: ['N', ...heatDims] },
      { name: poseName, type: 'float32', dims: ['N', ...poseDims] },
    ],
    outputs: [],
    nodes: [],
    initialisers: new Map(),
  }),
);

/** What the picker reads from a network that has learnt its targets by heart. */
async function pick(frames: readonly (readonly Part[])[]): Promise<{ detections: Detection[][]; rows: Float32Array }> {
  const heat = new Float32Array(frames.length * heatNumbers);
  const pose = new Float32Array(frames.length * poseNumbers);
  frames.forEach((parts, index) => {
    const at = { heat: index * heatNumbers, pose: index * poseNumbers };
    const weight = new Float32Array(poseNumbers);
    writeTargets(parts, { heat: heat.subarray(at.heat, at.heat + heatNumbers), pose: pose.subarray(at.pose, at.pose + poseNumbers), weight });
  });
  const logits = heat.map((value) => {
    const share = Math.min(0.95, Math.max(0.001, value));
    return Math.log(share / (1 - share));
  });
  const session = await openSession(writeModel(picker));
  try {
    const results = await session.run({
      [heatName]: runtimeTensor('float32', logits, [frames.length, ...heatDims]),
      [poseName]: runtimeTensor('float32', pose, [frames.length, ...poseDims]),
    });
    const rows = results[detectionsOutput]?.data as Float32Array;
    return { rows, detections: frames.map((_, index) => readDetections(rows, detectionRows, index * detectionRows * detectionFields, 0)) };
  } finally {
    await session.release();
  }
}

test('what the targets say is read back: every part, its place and its angle', async () => {
  const random = seededRandom(6);
  const frames = Array.from({ length: 24 }, () => renderBin(random, designLight).parts);
  const { detections } = await pick(frames);
  const found = evaluateDetections(frames.map((parts, index) => ({ parts, detections: detections[index] ?? [] })));
  // Two parts of a kind whose centres share a cell or its neighbour are one peak.
  expect(found.recall).toBeGreaterThan(0.98);
  expect(found.map50).toBeGreaterThan(0.98);
  expect(found.centreError.p90).toBeLessThan(1e-3);
  expect(found.angleError.p90).toBeLessThan(0.01);
});

test('angles come out within the symmetry of the part, all the way round', async () => {
  const angles = Array.from({ length: 16 }, (_, index) => -3 + 0.4 * index);
  const { detections } = await pick(
    angles.map((angle) => [
      { label: bolt, x: 61, y: 70, angle, visible: 1 },
      { label: plate, x: 30, y: 30, angle, visible: 1 },
    ]),
  );
  detections.forEach((frame, index) => {
    expect(new Set(frame.map(({ label }) => label))).toEqual(new Set([plate, bolt]));
    for (const { label, angle } of frame) {
      const { symmetry } = partKinds[label] as (typeof partKinds)[number];
      expect(Math.abs(turnBetween(angle, angles[index] ?? 0, symmetry))).toBeLessThan(1e-3);
      expect(Math.abs(angle)).toBeLessThanOrEqual(Math.PI / symmetry + 1e-6);
    }
  });
});

test('rows come best first, and those that are not used are zero', async () => {
  const { rows } = await pick([[{ label: 0, x: 3, y: 125, angle: 0, visible: 1 }], []]);
  const [first, empty] = [rows.subarray(0, detectionRows * detectionFields), rows.subarray(detectionRows * detectionFields)];
  expect(Array.from(first.subarray(0, 4))).toEqual([0, 3, 125, 0]);
  expect(first[4]).toBeCloseTo(0.95);
  expect(first.subarray(detectionFields).every((value) => value === 0)).toBe(true);
  expect(empty.every((value) => value === 0)).toBe(true);
});
