import { frameChannels, frameHeight, frameWidth, partKinds } from '@serin/inference/bin-scene/parameters';

import { makerOf } from '../../deploy/extend.ts';
import { floats, type Model } from '../../onnx/graph.ts';
import { normal } from '../../train/initialise.ts';
import { defineModel, type Value } from '../../train/layers.ts';

export const frameInput = 'frame';
export const detectionsOutput = 'detections';
/** Unnormalised scores, [batch, kinds, rows, columns]: whether a part of a kind has its centre in a cell. */
export const heatName = 'heat';
/** [batch, poseFields, kinds, rows, columns]: where in its cell the centre lies, and the direction of the angle. */
export const poseName = 'pose';

/** A cell of the heat maps is this many pixels wide. */
export const cellSize = 4;
export const gridWidth = frameWidth / cellSize;
export const gridHeight = frameHeight / cellSize;
export const cellCount = gridWidth * gridHeight;
export const kinds = partKinds.length;
/** x and y in cells from the middle of the cell; cosine and sine of the angle times the symmetry. */
export const poseFields = 4;
/** Rows of the output. */
export const detectionRows = 32;
/** Heat maps begin nearly cold: most cells hold nothing, and the first steps need not unlearn the opposite. */
const firstHeat = -3;

/** Fresh weights. The picture is halved by strides; context is gathered at an eighth of its size and added back. */
export function createNetwork(seed: number): Model {
  return defineModel('bin-picking', seed, (nn) => {
    const small = (inputs: number) => normal(0.3 * Math.sqrt(2 / inputs));
    /** Begins near the identity, so that depth costs nothing at first. */
    const block = (x: Value): Value => {
      const width = x.dims[1] ?? 0;
      const inner = nn.relu(nn.conv(x, width));
      return nn.relu(nn.add(x, nn.conv(inner, width, { initialiser: small(9 * width) })));
    };
    const picture = nn.image(frameInput, frameHeight, frameWidth, frameChannels);
    const half = nn.relu(nn.conv(picture, 16, { kernel: 5, stride: 2 }));
    const quarter = block(nn.relu(nn.conv(half, 32, { stride: 2 })));
    const eighth = block(block(nn.relu(nn.conv(quarter, 64, { stride: 2 }))));
    const joined = nn.relu(nn.add(quarter, nn.upsample(nn.conv(eighth, 32, { kernel: 1 }))));
    const shared = nn.relu(nn.conv(joined, 48));
    const head = (filters: number): Value => nn.conv(shared, filters, { kernel: 1, initialiser: small(48) });
    nn.output(heatName, nn.add(head(kinds), nn.constant(floats([], [firstHeat]))));
    nn.output(poseName, nn.reshape(head(poseFields * kinds), [poseFields, kinds, gridHeight, gridWidth]));
  });
}

/** The layers that scores and poses are read from: a fiftieth of the work, and in 8 bits most of what is lost. */
export function headsOf(model: Model): Set<string> {
  return new Set(
    [heatName, poseName].flatMap((output) => {
      let node = makerOf(model, output);
      while (node !== undefined && node.operator !== 'Conv') node = makerOf(model, node.inputs[0] ?? '');
      return node === undefined ? [] : [node.name];
    }),
  );
}
