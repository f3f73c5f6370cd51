import type { Golden } from '@serin/protocol/bundle/golden';
import { choiceOf, describePart, type BundlePart, type Manifest, type Variant } from '@serin/protocol/bundle/manifest';
import type { Profile } from '@serin/protocol/bundle/profile';
import { sha256, toBase64 } from '@serin/protocol/digest';
import { fleetId, modelName } from '@serin/protocol/ids';
import type { Engine, EngineSession, EngineTensor, Frame, FrameSource, LoadableBundle } from '../ports.ts';

/**
 * Models for tests of everything around a model: a file of two bytes, [class it always answers, how it misbehaves],
 * on an engine that knows nothing else. Frames are one grey pixel.
 */
export const misbehaviours = ['none', 'unloadable', 'wrong golden', 'throws', 'not finite'] as const;
export type Misbehaviour = (typeof misbehaviours)[number];

export const testLabels = ['empty', 'washer', 'nut'];
export const testShape = { width: 1, height: 1, channels: 1 };

export const modelFile = (answer: number, misbehaviour: Misbehaviour = 'none'): Uint8Array => Uint8Array.of(answer, misbehaviours.indexOf(misbehaviour));

const probabilitiesFor = (answer: number): number[] => testLabels.map((_, label) => (label === answer ? 0.875 : 0.0625));

export interface TestEngine extends Engine {
  opened(): number;
  /** Called before each run with the answer of the model that runs. */
  onRun: ((answer: number) => Promise<void> | void) | undefined;
}

export function createTestEngine(): TestEngine {
  let open = 0;
  const engine: TestEngine = {
    name: 'test',
    opened: () => open,
    onRun: undefined,
    async open(model): Promise<EngineSession> {
      const [answer = 0, kind = 0] = model;
      const misbehaviour = misbehaviours[kind];
      if (model.length !== 2 || misbehaviour === undefined || misbehaviour === 'unloadable') throw new Error('no such operator');
      open++;
      let isOpen = true;
      let runs = 0;
      return {
        async run(inputs): Promise<Record<string, EngineTensor>> {
          if (!isOpen) throw new Error('run after close');
          await engine.onRun?.(answer);
          const isGolden = inputs['frame']?.data[0] === goldenPixel;
          runs++;
          if (misbehaviour === 'throws' && !isGolden) throw new Error('run failed');
          const values = isGolden && misbehaviour === 'wrong golden' ? [0.5, 0.5, 0.5] : probabilitiesFor(answer);
          if (misbehaviour === 'not finite' && !isGolden && runs > 0) values[0] = Number.NaN;
          return { probabilities: { dtype: 'float32', shape: [1, values.length], data: Float32Array.from(values) } };
        },
        async close() {
          if (isOpen) open--;
          isOpen = false;
        },
      };
    },
  };
  return engine;
}

/** A pixel that no test frame has: golden vectors can be told from frames. */
const goldenPixel = 255;

const golden = (answer: number): Golden => ({
  v: 1,
  tolerance: 1e-6,
  vectors: [
    {
      inputs: { frame: { shape: [1, 1, 1, 1], dtype: 'uint8', data: toBase64(Uint8Array.of(goldenPixel)) } },
      outputs: { probabilities: probabilitiesFor(answer) },
    },
  ],
});

export const testProfile: Profile = {
  v: 1,
  framesPerWindow: 10,
  assumption: 'made for a test',
  statistics: [
    { name: 'brightness', edges: [0, 50, 100, 200], counts: [0, 3, 3, 4, 0, 0], mean: 80, deviation: 40, nullPsi: [] },
    { name: 'confidence', edges: [0, 0.5, 1], counts: [0, 1, 9, 0, 0], mean: 0.9, deviation: 0.1, nullPsi: [] },
    { name: 'sharpness', edges: [0, 1], counts: [0, 10, 0, 0], mean: 0, deviation: 0, nullPsi: [] },
  ],
};

const json = (content: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(content));

/** What a variant of a test bundle answers, and how it misbehaves. */
export type TestVariants = readonly (readonly [variant: Variant, answer: number, misbehaviour?: Misbehaviour])[];

export function variantParts(variants: TestVariants): BundlePart[] {
  const ofVariants = variants.flatMap(([variant, answer, misbehaviour]): BundlePart[] => [
    { role: 'model', variant, path: `model.${variant}.onnx`, bytes: modelFile(answer, misbehaviour) },
    { role: 'golden', variant, path: `golden.${variant}.json`, bytes: json(golden(answer)) },
  ]);
  return [...ofVariants, { role: 'profile', path: 'profile.json', bytes: json(testProfile) }];
}

export const bundleParts = (answer: number, misbehaviour: Misbehaviour = 'none'): BundlePart[] => variantParts([['u8s8', answer, misbehaviour]]);

export async function makeManifest(version: number, parts: readonly BundlePart[], name = 'picker', fleet = 'plant'): Promise<Manifest> {
  return {
    v: 1,
    fleet: fleetId.parse(fleet),
    model: modelName.parse(name),
    version,
    createdAt: 1_700_000_000_000,
    minAgent: '0.1.0',
    task: 'image-classification',
    inputs: [{ name: 'frame', dtype: 'uint8', shape: [-1, 1, 1, 1] }],
    outputs: [{ name: 'probabilities', dtype: 'float32', shape: [-1, testLabels.length] }],
    labels: testLabels,
    files: await Promise.all(parts.map(async (part) => (await describePart(part)).file)),
    metrics: {},
  };
}

/** Variants of one bundle as the runner gets them, without the signatures and stores they went through. */
export async function makeVariants(version: number, variants: TestVariants, name = 'picker'): Promise<LoadableBundle[]> {
  const manifest = await makeManifest(version, variantParts(variants), name);
  const digest = await sha256(json(manifest));
  return variants.map(([variant, answer, misbehaviour]) => {
    const model = choiceOf(manifest, variant)?.model;
    if (model === undefined) throw new Error('a bundle has a model');
    const modelBytes = (): Promise<Uint8Array> => Promise.resolve(modelFile(answer, misbehaviour));
    return { digest, manifest, variant, model, modelBytes, golden: golden(answer), profile: testProfile };
  });
}

export async function makeBundle(version: number, answer: number, misbehaviour: Misbehaviour = 'none', name = 'picker'): Promise<LoadableBundle> {
  const [bundle] = await makeVariants(version, [['u8s8', answer, misbehaviour]], name);
  if (bundle === undefined) throw new Error('a bundle has a variant');
  return bundle;
}

export interface TestCamera extends FrameSource {
  /** Hands a frame over as soon as it is asked for. */
  show(frame: Frame): void;
  skip(frames: number): void;
  /** Frames handed over so far. */
  taken(): number;
}

/** A camera that shows exactly what a test says. */
export function createTestCamera(): TestCamera {
  const waiting: Frame[] = [];
  let wake = (): void => {};
  let skipped = 0;
  let taken = 0;
  return {
    description: 'test camera',
    synthetic: true,
    shape: testShape,
    async next(signal) {
      const ended = (): void => wake();
      signal.addEventListener('abort', ended);
      while (waiting.length === 0 && !signal.aborted) await new Promise<void>((resolve) => (wake = resolve));
      signal.removeEventListener('abort', ended);
      if (signal.aborted) return undefined;
      taken++;
      return waiting.shift();
    },
    takeSkipped() {
      const count = skipped;
      skipped = 0;
      return count;
    },
    close: () => Promise.resolve(),
    show(frame) {
      waiting.push(frame);
      wake();
    },
    skip(frames) {
      skipped += frames;
    },
    taken: () => taken,
  };
}
