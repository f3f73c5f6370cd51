import type { Predicted, Truth } from '@serin/protocol/messages/telemetry';

import { judgeBin, type Part } from './detections.ts';

/** Whether what a model said of a frame is right; undefined where what is known of the frame is no measure for it. */
export function isRight(predicted: Predicted, truth: Truth): boolean | undefined {
  if ('label' in predicted) return 'label' in truth ? predicted.label === truth.label : undefined;
  if (!('objects' in truth)) return undefined;
  return judgeBin(predicted.objects, partsOf(truth.objects));
}

/** Whoever does not say how much of a part can be seen means that all of it can. */
export const partsOf = (objects: Extract<Truth, { objects: unknown }>['objects']): Part[] =>
  objects.map(({ visible = 1, ...placed }) => ({ ...placed, visible }));
