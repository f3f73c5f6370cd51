import { seededRandom } from '@serin/inference/random';
import type { Golden } from '@serin/protocol/bundle/golden';

import type { Model, Tensor } from '../../onnx/graph.ts';
import { writeModel } from '../../onnx/model-file.ts';
import { chooseGolden } from '../../package/golden.ts';
import { quantise } from '../../quantise/quantise.ts';
import { withDetections } from '../detections.ts';
import { addEmbedding } from '../embedding.ts';
import { withProbabilities } from '../heads.ts';
import { withImageInput } from '../input.ts';
import { recalibrate } from '../temperature.ts';

export interface Documented {
  readonly classifier: Model;
  readonly detector: Model;
  readonly golden: Golden;
}

/** What the page on deployment shows, run from top to bottom. */
export async function documented(
  network: Model,
  detectorNetwork: Model,
  frames: readonly Tensor[],
  logits: ArrayLike<number>,
  labels: ArrayLike<number>,
): Promise<Documented> {
  const { model: fed } = withImageInput(network, {
    frame: { width: 640, height: 480, channels: 3 },
    fit: 'crop',
    mean: [0.485, 0.456, 0.406],
    deviation: [0.229, 0.224, 0.225],
  });
  const classes = 3;
  const { temperature } = recalibrate(logits, labels, classes) ?? { temperature: 1 };
  const answering = withProbabilities(fed, { temperature });

  const { model: detectorFed, placement } = withImageInput(detectorNetwork, { frame: { width: 640, height: 480, channels: 3 }, fit: 'letterbox' });
  const detector = withDetections(detectorFed, { form: 'fields-first', placement, scoreMin: 0.3 });

  const batches = frames.map((image) => ({ image }));
  const { model: classifier } = await addEmbedding(answering, { batches, random: seededRandom(1) });

  const { model: small } = await quantise(classifier, { batches });
  const golden = await chooseGolden({ model: writeModel(small), variant: 'u8s8', candidates: batches, count: 4, random: seededRandom(1) });
  return { classifier, detector, golden };
}
