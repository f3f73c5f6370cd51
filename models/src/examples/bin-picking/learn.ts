import type { Model } from '../../onnx/graph.ts';
import { heatMapFocal, l1, sumOf, type Loss } from '../../train/losses.ts';
import { train, type TrainOptions } from '../../train/train.ts';
import type { BinSourceOptions } from './data.ts';
import { gridHeight, gridWidth, heatName, kinds, poseFields, poseName } from './network.ts';

/** From scratch: 25,600 frames, none of them twice. */
export const usualCourse = { rendered: 1600, epochs: 16 };
/** Of the same number of frames, many small steps make more than few large ones. */
export const batch = 8;
const freshRate = 4.5e-3;
/** Weights that know the parts already are moved less. */
const startedRate = 1.4e-3;

const poseDims = [batch, poseFields, kinds, gridHeight, gridWidth];
/** Heat maps say where, poses how: asked at centres and, weaker, beside them. The weight brings both to one scale. */
export const binLoss: Loss = sumOf({
  heat: [heatMapFocal({ logits: heatName, targets: 'heat' }), 1],
  pose: [l1({ prediction: poseName, targets: 'pose', mask: { name: 'poseWeight', dims: poseDims } }), 10],
});

export interface LearnOptions extends Pick<TrainOptions, 'seed' | 'threads' | 'signal' | 'now' | 'onProgress' | 'checkpoint'> {
  /** Fresh weights, or those to go on from. */
  readonly model: Model;
  readonly fresh: boolean;
  readonly data: BinSourceOptions;
  readonly epochs: number;
}

/** Trains the network; a thread of its own renders the frames meanwhile. */
export async function learn({ model, fresh, data, ...options }: LearnOptions): Promise<Model> {
  const source = { module: new URL('data.js', import.meta.url), settings: data };
  const result = await train({ ...options, model, loss: binLoss, source, batch, rate: fresh ? freshRate : startedRate, averaging: 0.997 });
  return result.model;
}
