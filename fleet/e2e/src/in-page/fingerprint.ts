import { decode, encode } from '@serin/protocol/codec';
import { sha256 } from '@serin/protocol/digest';
import { bootId, digest, modelName } from '@serin/protocol/ids';
import { measureImage } from '@serin/inference/image-statistics';
import { seededRandom } from '@serin/inference/random';
import { designLight, frameChannels, frameHeight, frameWidth } from '@serin/inference/bin-scene/parameters';
import { renderBin } from '@serin/inference/bin-scene/render';
import { textPreparer } from '@serin/inference/text/prepare';
import { DDSketch } from '@serin/stats/dd-sketch';
import { correctedPsi, hellinger, jensenShannon } from '@serin/stats/distances';
import { initialDrift, stepDrift } from '@serin/stats/drift-detector';
import { countInto, emptyCounts, equalMassEdges } from '@serin/stats/histogram';

const encoder = new TextEncoder();
const hash = (value: unknown): Promise<string> => sha256(value instanceof Uint8Array ? value : encoder.encode(JSON.stringify(value)));

/** Digests of what the shared packages compute from one seed: wherever this runs, they must be the same to the bit. */
export async function fingerprint(): Promise<Record<string, string>> {
  const random = seededRandom('fingerprint');
  const shape = { width: frameWidth, height: frameHeight, channels: frameChannels };
  const frames = Array.from({ length: 200 }, () => renderBin(random, designLight).pixels);
  const measured = frames.map((pixels) => measureImage(pixels, shape, { brightness: 0, contrast: 0, sharpness: 0 }));
  const dark = Array.from({ length: 200 }, () =>
    measureImage(renderBin(random, { ...designLight, level: 0.6 }).pixels, shape, { brightness: 0, contrast: 0, sharpness: 0 }),
  );

  const edges = equalMassEdges(
    measured.map(({ brightness }) => brightness),
    10,
  );
  const [reference, window] = [emptyCounts(edges), emptyCounts(edges)];
  for (const { brightness } of measured) countInto(reference, edges, brightness);
  for (const { brightness } of dark) countInto(window, edges, brightness);
  const sketch = new DDSketch();
  for (const { sharpness } of measured) sketch.add(sharpness);
  const psi = correctedPsi(reference, window);

  const telemetry = encode('tel', {
    v: 1,
    boot: bootId.parse('boot'),
    seq: 1,
    ts: 1_700_000_000_000,
    dropped: 0,
    windows: [
      {
        boot: bootId.parse('boot'),
        seq: 0,
        model: modelName.parse('picker'),
        version: 1,
        manifest: digest.parse('0'.repeat(64)),
        from: 1_700_000_000_000,
        to: 1_700_000_002_000,
        counters: { frames: 200, run: 200, skipped: 0, failed: 0, deadlineMissed: 0, nonFinite: 0, judged: 200, wrong: 3 },
        latencyMs: sketch.toData(),
        statistics: [{ name: 'brightness', counts: window, sum: 1, sumSquares: 1 }],
        labels: [40, 40, 40, 40, 40],
      },
    ],
  });

  const texts = textPreparer({
    v: 1,
    kind: 'text',
    fields: [{ name: 'body', prefix: 'b' }],
    unitsMax: 10_000,
    wordsMax: 1000,
    output: { kind: 'buckets', bits: 20, words: 3, letters: { from: 3, to: 4 }, weighting: 'log' },
  });
  const letters = Array.from('abcXYZäßİΣς 019$€%.,!?@#ﬁ①Ａ東カ한\u0301\u200b\ud800א😀\n ');
  const records = Array.from({ length: 300 }, () => ({ body: Array.from({ length: 200 }, () => letters[random.integer(letters.length)]).join('') }));
  const prepared = texts.tensors(records.map(texts.words));

  return {
    texts: await hash(Object.values(prepared).map(({ dims, data }) => [dims, Array.from<number | bigint, number>(data, Number)])),
    frames: await hash(frames.map((pixels) => [...pixels])),
    statistics: await hash(measured.map((statistics) => ({ ...statistics }))),
    distances: await hash([psi, hellinger(reference, window), jensenShannon(reference, window)]),
    sketch: await hash(sketch.toData()),
    drift: await hash(stepDrift(initialDrift, { p: 0.01, effect: psi, at: 1 })),
    telemetry: await hash(telemetry),
    decoded: await hash(decode('tel', telemetry)),
  };
}
