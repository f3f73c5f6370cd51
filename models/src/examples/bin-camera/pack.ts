import { imageStatisticNames, measureImage } from '@serin/inference/image-statistics';
import { readProbabilities } from '@serin/inference/postprocess';
import type { Random } from '@serin/inference/random';
import { designLight, frameChannels, frameHeight, frameWidth, renderFrame, sceneLabels } from '@serin/inference/scene';
import type { BundlePart, Variant } from '@serin/protocol/bundle/manifest';
import type { Profile } from '@serin/protocol/bundle/profile';

import { frameAt, type FrameSet } from '../../data/frames.ts';
import type { Session } from '../../onnx/session.ts';
import { makeGolden, type NamedTensors } from '../../package/golden.ts';
import { makeProfile } from '../../package/profile.ts';
import { jsonBytes, type TrainedVersion } from '../../package/version.ts';
import { frameInput, probabilitiesOutput } from './network.ts';
import { frameTensor, predict } from './predict.ts';

export interface BuiltVariant {
  readonly variant: Variant;
  readonly bytes: Uint8Array;
  readonly session: Session;
}

export interface ReferenceFrames {
  /** What image statistics are measured on. */
  readonly images: FrameSet;
  /** What confidence is measured on. */
  readonly answers: FrameSet;
  readonly origin: string;
}

export interface PackOptions {
  /** The first one is what most devices run: the profile's confidence is its. */
  readonly variants: readonly BuiltVariant[];
  readonly reference: ReferenceFrames;
  readonly framesPerWindow: number;
  readonly random: Random;
}

/** Different kernels add floats in another order, no more. */
const floatTolerance = 1e-3;
/** With 7-bit weights all integer sums are exact; only the rounding of an activation may differ, by one step of 255. */
const byteTolerance = 0.03;

export async function packVersion(options: PackOptions): Promise<Pick<TrainedVersion, 'files' | 'task' | 'labels' | 'inputs' | 'outputs'>> {
  const { variants, reference, framesPerWindow, random } = options;
  const files = await packModels(variants, random.fork('golden'));
  const [first] = variants;
  if (first !== undefined) {
    const profile = await profileOf(first.session, reference, framesPerWindow, random.fork('profile'));
    files.push({ role: 'profile', path: 'profile.json', bytes: jsonBytes(profile) });
  }
  return {
    files,
    task: 'image-classification',
    labels: [...sceneLabels],
    inputs: [{ name: frameInput, dtype: 'uint8', shape: [-1, frameHeight, frameWidth, frameChannels] }],
    outputs: [{ name: probabilitiesOutput, dtype: 'float32', shape: [-1, sceneLabels.length] }],
  };
}

/** The model files and, for each, golden vectors made by itself. */
export async function packModels(variants: readonly BuiltVariant[], random: Random): Promise<BundlePart[]> {
  const inputs = goldenInputs(random);
  const files: BundlePart[] = [];
  for (const { variant, bytes, session } of variants) {
    const golden = await makeGolden(session, inputs, variant === 'fp32' ? floatTolerance : byteTolerance);
    files.push({ role: 'model', variant, path: `model.${variant}.onnx`, bytes });
    files.push({ role: 'golden', variant, path: `golden.${variant}.json`, bytes: jsonBytes(golden) });
  }
  return files;
}

/** Every class once, then the edges: black, white, and frames in the dark and in glare. */
function goldenInputs(random: Random): NamedTensors[] {
  const empty = (value: number): Uint8Array => new Uint8Array(frameWidth * frameHeight * frameChannels).fill(value);
  const shown = (label: number, level: number): Uint8Array => renderFrame(random, { ...designLight, level }, undefined, label).pixels;
  const frames = [shown(1, 1), shown(2, 1), shown(3, 1), shown(4, 1), shown(0, 0.3), shown(2, 2.2), empty(0), empty(255)];
  return frames.map((pixels) => ({ [frameInput]: frameTensor(pixels, 1) }));
}

async function profileOf(session: Session, reference: ReferenceFrames, framesPerWindow: number, random: Random): Promise<Profile> {
  const { images, answers, origin } = reference;
  const shape = { width: frameWidth, height: frameHeight, channels: frameChannels };
  const measured = { brightness: 0, contrast: 0, sharpness: 0 };
  const statistics: Record<string, Float64Array> = {};
  for (const name of imageStatisticNames) statistics[name] = new Float64Array(images.count);
  for (let index = 0; index < images.count; index += 1) {
    measureImage(frameAt(images, index), shape, measured);
    for (const name of imageStatisticNames) (statistics[name] as Float64Array)[index] = measured[name];
  }
  const probabilities = await predict(session, answers);
  statistics['confidence'] = Float64Array.from(
    { length: answers.count },
    (_, index) => readProbabilities(probabilities, sceneLabels.length, index * sceneLabels.length).confidence,
  );
  return makeProfile({ statistics, framesPerWindow, random, origin });
}
