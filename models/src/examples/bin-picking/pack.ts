import { designLight, frameBytes, frameChannels, frameHeight, frameWidth, partKinds } from '@serin/inference/bin-scene/parameters';
import { renderBin } from '@serin/inference/bin-scene/render';
import { detectionFields, detectionScoreMin, meanScore } from '@serin/inference/detections';
import { imageStatisticNames, measureImage } from '@serin/inference/image-statistics';
import type { Random } from '@serin/inference/random';
import { confidenceStatistic } from '@serin/inference/records';
import type { BundlePart, Variant } from '@serin/protocol/bundle/manifest';
import type { Profile } from '@serin/protocol/bundle/profile';

import type { DetectedFrame } from '../../evaluate/detection-schemes.ts';
import { chooseGolden, type NamedTensors } from '../../package/golden.ts';
import { fittingWindow, makeProfile, type ReferenceAnswers } from '../../package/profile.ts';
import { jsonBytes, type TrainedVersion } from '../../package/version.ts';
import type { BinSample } from './data.ts';
import { detectionRows, detectionsOutput, frameInput } from './network.ts';
import { frameTensor } from './predict.ts';
import { hitsOf } from './scores.ts';

export interface PackOptions {
  readonly variants: ReadonlyMap<Variant, Uint8Array>;
  readonly reference: ReferenceFrames;
  readonly framesPerWindow: number;
  readonly random: Random;
}

export interface ReferenceFrames {
  /** What image statistics are measured on. */
  readonly images: readonly BinSample[];
  /** What confidence is measured on: as the variant answers that most devices run. */
  readonly answers: readonly DetectedFrame[];
  /** What scores were divided by. */
  readonly temperature: number;
  readonly origin: string;
}

/** Noise does not compress, so each frame costs a bundle 64 KiB. */
const goldenFrames = 4;

export async function packVersion(options: PackOptions): Promise<Pick<TrainedVersion, 'files' | 'task' | 'labels' | 'inputs' | 'outputs'>> {
  const { variants, reference, framesPerWindow, random } = options;
  const files = await packModels(variants, random.fork('golden'));
  files.push({ role: 'profile', path: 'profile.json', bytes: jsonBytes(profileOf(reference, framesPerWindow, random.fork('profile'))) });
  return {
    files,
    task: 'detection',
    labels: partKinds.map(({ label }) => label),
    inputs: [{ name: frameInput, dtype: 'uint8', shape: [-1, frameHeight, frameWidth, frameChannels] }],
    outputs: [{ name: detectionsOutput, dtype: 'float32', shape: [-1, detectionRows, detectionFields] }],
  };
}

/** The model files and, for each, golden vectors made by itself. */
async function packModels(variants: ReadonlyMap<Variant, Uint8Array>, random: Random): Promise<BundlePart[]> {
  const files: BundlePart[] = [];
  for (const [variant, bytes] of variants) {
    const golden = await chooseGolden({ model: bytes, variant, candidates: goldenCandidates(random), count: goldenFrames, random: random.fork('disturb') });
    files.push({ role: 'model', variant, path: `model.${variant}.onnx`, bytes });
    files.push({ role: 'golden', variant, path: `golden.${variant}.json`, bytes: jsonBytes(golden) });
  }
  return files;
}

/** An empty bin, then some with few parts: the more there are, the sooner two scores are about to change places. */
function* goldenCandidates(random: Random): Generator<NamedTensors> {
  const source = random.fork('frames');
  yield { [frameInput]: frameTensor(new Uint8Array(frameBytes)) };
  for (let parts = 0; ; parts += 1) yield { [frameInput]: frameTensor(renderBin(source, designLight, undefined, 1 + (parts % 3)).pixels) };
}

function profileOf({ images, answers, temperature, origin }: ReferenceFrames, framesPerWindow: number, random: Random): Profile {
  const shape = { width: frameWidth, height: frameHeight, channels: frameChannels };
  const measured = { brightness: 0, contrast: 0, sharpness: 0 };
  const statistics: Record<string, Float64Array> = {};
  for (const name of imageStatisticNames) statistics[name] = new Float64Array(images.length);
  images.forEach(({ pixels }, index) => {
    measureImage(pixels, shape, measured);
    for (const name of imageStatisticNames) (statistics[name] as Float64Array)[index] = measured[name];
  });
  const found = answers.map(({ detections, parts }) => ({ parts, detections: detections.filter(({ score }) => score >= detectionScoreMin) }));
  statistics[confidenceStatistic] = Float64Array.from(found, ({ detections }) => meanScore(detections));
  return makeProfile({
    statistics,
    framesPerWindow: fittingWindow(images.length, framesPerWindow),
    random,
    origin,
    answers: { ...answersOf(found), temperature },
  });
}

/** Every detection, and its kind where it is a part of that. */
function answersOf(found: readonly DetectedFrame[]): ReferenceAnswers {
  const detections = found.flatMap((frame) => frame.detections);
  const hits = found.flatMap(hitsOf);
  return {
    labels: partKinds.length,
    predicted: detections.map(({ label }) => label),
    confidence: detections.map(({ score }) => score),
    truth: detections.map(({ label }, index) => (hits[index] === true ? label : -1)),
  };
}
