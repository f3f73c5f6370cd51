import { defineModel } from '../../train/layers.ts';
import { softmaxCrossEntropy } from '../../train/losses.ts';
import { train, type TrainResult } from '../../train/train.ts';
import type { FrameSettings } from '../decode.ts';
import { imageSource, type ImageSourceOptions } from '../image-source.ts';
import { loadImages } from '../load-images.ts';

/** What docs/data.md shows, trained from a thread of its own and from this one. */
export async function documented(folder: string, say: (line: string) => void, signal?: AbortSignal): Promise<TrainResult[]> {
  const frame: FrameSettings = { width: 32, height: 32, channels: 3, fit: 'contain', background: 114 };
  const dataset = await loadImages(folder, { kind: 'folders' }, { frame, signal, onProgress: ({ done, total }) => say(`checked ${done} of ${total}`) });

  const settings: ImageSourceOptions = {
    dataset,
    split: 'train',
    frame,
    augment: { rotateDeg: 10, shift: 0.1, scale: [0.9, 1.1], flip: 'horizontal', brightness: 0.2, contrast: 0.2, noise: 4 },
    cacheBytesMax: 256 * 2 ** 20,
  };
  const model = defineModel('pictures', 1, (nn) => {
    const image = nn.image('image', frame.height, frame.width, frame.channels);
    const features = nn.relu(nn.conv(image, 8, { stride: 2 }));
    const logits = nn.named('logits', nn.dense(nn.flatten(nn.maxPool(features, 4)), dataset.labels.length));
    nn.output('probabilities', nn.softmax(logits));
  });
  const options = { model, loss: softmaxCrossEntropy({ logits: 'logits' }), batch: 8, epochs: 10, rate: 0.01, seed: 1, dataDigest: dataset.digest ?? '' };
  const trained = await train({ ...options, source: { module: '@serin/models/data/image-source', settings } });

  return [trained, await train({ ...options, source: imageSource(settings) })];
}
