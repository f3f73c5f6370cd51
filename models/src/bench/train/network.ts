import { seededRandom } from '@serin/inference/random';

import type { Batch } from '../../data/batch-source.ts';
import { floats, type Model } from '../../onnx/graph.ts';
import { defineModel } from '../../train/layers.ts';

export const batch = 64;
export const side = 28;
export const classes = 10;
export const rate = 1e-3;

/** Two convolutions of 3 by 3 with pools, two dense layers: what the tutorials of all frameworks train on digits. */
export const referenceNetwork = (seed: number): Model =>
  defineModel('reference', seed, (nn) => {
    let x = nn.input('image', 'float32', [1, side, side]);
    for (const filters of [16, 32]) x = nn.maxPool(nn.relu(nn.conv(x, filters, { kernel: 3, name: `conv${filters}` })), 2);
    const hidden = nn.relu(nn.dense(nn.flatten(x), 64, { name: 'hidden' }));
    nn.output('logits', nn.dense(hidden, classes, { name: 'scores' }));
  });

const macs = { conv16: side * side * 16 * 9, conv32: (side / 2) ** 2 * 32 * 16 * 9, hidden: (side / 4) ** 2 * 32 * 64, scores: 64 * classes };
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Floating-point operations for an image: there, and back to every weight and to every value but the image. */
export const flopsForward = 2 * sum(Object.values(macs));
export const flopsOfStep = 3 * flopsForward - 2 * macs.conv16;

/** Synthetic digits: a bright bar on a dark ground whose direction is the class, under noise. */
export function syntheticBatch(seed: number): Batch {
  const random = seededRandom(seed);
  const images = new Float32Array(batch * side * side);
  const targets = new Float32Array(batch * classes);
  for (let example = 0; example < batch; example += 1) {
    const label = Math.floor(random.uniform() * classes);
    const angle = (label * Math.PI) / classes;
    const offset = random.between(-3, 3);
    targets[example * classes + label] = 1;
    for (let pixel = 0; pixel < side * side; pixel += 1) {
      const [y, x] = [Math.floor(pixel / side) - side / 2, (pixel % side) - side / 2];
      const isBar = Math.abs(x * Math.cos(angle) + y * Math.sin(angle) - offset) < 2 && Math.hypot(x, y) < 11;
      images[example * side * side + pixel] = isBar ? random.between(0.6, 1) : 0;
    }
  }
  return { feeds: { image: floats([batch, 1, side, side], images) }, targets: { targets: floats([batch, classes], targets) } };
}
