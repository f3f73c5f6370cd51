import type { Model } from '../../onnx/graph.ts';
import { defineModel } from '../../train/layers.ts';

export const side = 28;
export const digitNames = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'] as const;

export const digitsNetwork = (seed: number): Model =>
  defineModel('digits', seed, (nn) => {
    let x = nn.image('image', side, side, 1);
    x = nn.maxPool(nn.relu(nn.conv(x, 16)), 2);
    x = nn.maxPool(nn.relu(nn.conv(x, 32)), 2);
    x = nn.relu(nn.dense(nn.flatten(x), 64));
    const logits = nn.named('logits', nn.dense(x, digitNames.length));
    nn.output('probabilities', nn.softmax(logits));
  });
