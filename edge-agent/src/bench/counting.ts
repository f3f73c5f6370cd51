import { WindowAccumulator, type RunFrame, type WindowSubject } from '@serin/device/telemetry';
import { seededRandom } from '@serin/inference/random';
import { confidenceBins, type Profile } from '@serin/protocol/bundle/profile';
import { digest, modelName } from '@serin/protocol/ids';

export const description = 'what a device spends on counting one frame, with and without class by confidence and an embedding';

const labels = 10;
const features = 128;
/** What the design allows all telemetry of a frame to cost. */
const allowedMicroseconds = 50;

const zeros = (length: number): number[] => Array.from({ length }, () => 0);
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/** One after the other in every round, so that what else the machine does hits all alike. */
export function run({ quick }: { quick: boolean }): { table: string[][]; figures: Record<string, number> } {
  const [rounds, framesPerRound] = quick ? [20, 2_000] : [100, 10_000];
  const random = seededRandom('counting');
  const edges = Array.from({ length: 33 }, (_, edge) => edge / 32);
  const statistics = ['brightness', 'contrast', 'sharpness', 'confidence'].map((name) => ({
    name,
    edges,
    counts: zeros(edges.length + 2),
    mean: 0,
    deviation: 0,
    nullPsi: [],
  }));
  const profile: Profile = { v: 1, framesPerWindow: 100, assumption: 'of a measurement', statistics };
  const plain: WindowSubject = { model: modelName.parse('picker'), version: 1, manifest: digest.parse('0'.repeat(64)), labels, profile };
  const classes: WindowSubject = { ...plain, profile: { ...profile, classConfidence: zeros(labels * confidenceBins) } };
  const subjects = { plain, classes, embedding: { ...classes, embeddingWidth: features } };

  const frames = Array.from({ length: 256 }, (): RunFrame => {
    const confidence = random.uniform();
    return {
      latencyMs: 1 + 9 * random.uniform(),
      isLate: false,
      image: { brightness: random.uniform(), contrast: random.uniform(), sharpness: random.uniform() },
      finite: true,
      confidence,
      seen: [{ label: random.integer(labels), score: confidence }],
      embedding: Float32Array.from({ length: features }, () => random.normal() / 12),
      isRight: undefined,
    };
  });
  const spent = Object.fromEntries(Object.keys(subjects).map((name) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, subject] of Object.entries(subjects)) {
      const accumulator = new WindowAccumulator(subject, 0);
      const began = performance.now();
      for (let frame = 0; frame < framesPerRound; frame++) accumulator.countRun(frames[frame % frames.length] as RunFrame);
      const window = accumulator.take(1);
      spent[name]?.push(((performance.now() - began) * 1000) / framesPerRound);
      if (window?.counters.nonFinite !== 0) throw new Error('every frame was to be counted');
    }
  }
  const [plainUs, classesUs, embeddingUs] = Object.values(spent).map(median) as [number, number, number];
  const figures = { frames: rounds * framesPerRound, plainUs, classesUs, embeddingUs, addedUs: embeddingUs - plainUs, allowedUs: allowedMicroseconds };
  const row = (what: string, microseconds: number): string[] => [what, microseconds.toFixed(2)];
  return {
    table: [
      ['counted of a frame', 'median microseconds'],
      row('latency, four statistics, labels', plainUs),
      row(`and class by confidence of ${labels} classes`, classesUs),
      row(`and an embedding of ${features} features`, embeddingUs),
      row('added by both', figures.addedUs),
    ],
    figures,
  };
}
