import { seededRandom } from '@serin/inference/random';
import sharp from 'sharp';

import { addEmbedding } from '../deploy/embedding.ts';
import { withProbabilities } from '../deploy/heads.ts';
import { imageInput, withImageInput, type ImageInputOptions } from '../deploy/input.ts';
import type { Model, Tensor } from '../onnx/graph.ts';
import { writeModel } from '../onnx/model-file.ts';
import { openSession, runtimeTensor } from '../onnx/session.ts';
import { quantise } from '../quantise/quantise.ts';
import { defineModel } from '../train/layers.ts';

export const description = 'frames prepared in the graph beside frames prepared in JavaScript, float and 8 bits; what an embedding costs';

const side = 224;
const imagenet = { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] } as const;

/** A small network of float pictures, its weights by chance: only its time counts. */
const network = (pad: number): Model =>
  defineModel('stem', 1, (nn) => {
    const half = { kernel: 3, stride: 2, pad } as const;
    let x = nn.input('x', 'float32', [3, side, side]);
    for (const filters of [24, 48, 96, 128]) x = nn.relu(nn.conv(x, filters, half));
    nn.output('logits', nn.dense(nn.flatten(nn.globalAveragePool(x)), 100));
  });

interface Contender {
  readonly name: string;
  run(): Promise<unknown>;
  close(): Promise<void>;
}

const frameOf = (width: number, height: number): Tensor<'uint8'> => {
  const random = seededRandom(width);
  const data = Uint8Array.from({ length: width * height * 3 }, (_, at) => 120 + 60 * Math.sin(at / 977) + random.integer(40));
  return { type: 'uint8', dims: [1, height, width, 3], data };
};

/** What a program writes that feeds floats. */
function normalise(pixels: Uint8Array): Float32Array {
  const area = side * side;
  const floats = new Float32Array(3 * area);
  for (let channel = 0; channel < 3; channel += 1) {
    const [mean, deviation] = [imagenet.mean[channel] ?? 0, imagenet.deviation[channel] ?? 1];
    for (let at = 0; at < area; at += 1) floats[channel * area + at] = ((pixels[at * 3 + channel] ?? 0) / 255 - mean) / deviation;
  }
  return floats;
}

async function inProgram(name: string, model: Model, frame: Tensor<'uint8'>): Promise<Contender> {
  const session = await openSession(writeModel(model));
  const [, height = 0, width = 0] = frame.dims;
  const input = model.graph.inputs[0]?.name ?? '';
  return {
    name,
    run: async () => {
      const isResized = width !== side || height !== side;
      const pixels = isResized
        ? await sharp(frame.data, { raw: { width, height, channels: 3 } })
            .resize(side, side, { fit: 'fill', kernel: 'linear' })
            .raw()
            .toBuffer()
        : frame.data;
      return session.run({ [input]: runtimeTensor('float32', normalise(pixels), [1, 3, side, side]) });
    },
    close: () => session.release(),
  };
}

async function inGraph(name: string, model: Model, frame: Tensor<'uint8'>): Promise<Contender> {
  const session = await openSession(writeModel(model));
  const feeds = { [imageInput]: runtimeTensor('uint8', frame.data, frame.dims) };
  return { name, run: () => session.run(feeds), close: () => session.release() };
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/** Turn about, so that what else the machine does falls on all. */
async function race(contenders: readonly Contender[], rounds: number): Promise<number[]> {
  const times: number[][] = contenders.map(() => []);
  for (let round = 0; round < rounds; round += 1) {
    for (const [place, { run }] of contenders.entries()) {
      const began = performance.now();
      await run();
      times[place]?.push(performance.now() - began);
    }
  }
  for (const { close } of contenders) await close();
  return times.map(median);
}

interface Case {
  readonly what: string;
  readonly pad: number;
  readonly width: number;
  readonly height: number;
}

const cases: readonly Case[] = [
  { what: 'frame of the size of the network', pad: 0, width: side, height: side },
  { what: 'the same, first layer pads', pad: 1, width: side, height: side },
  { what: 'frame of 640x480', pad: 0, width: 640, height: 480 },
];

export async function run({ quick }: { quick: boolean }): Promise<{ table: string[][]; figures: Record<string, number> }> {
  const rounds = quick ? 40 : 200;
  const table = [['case', 'form', 'ms p50', 'of JavaScript']];
  const figures: Record<string, number> = {};
  for (const [place, { what, pad, width, height }] of cases.entries()) {
    const frame = frameOf(width, height);
    const options: ImageInputOptions = { frame: { width, height, channels: 3 }, ...imagenet };
    const plain = network(pad);
    const fed = withImageInput(plain, options).model;
    const answering = withProbabilities(fed);
    const seen = { x: { type: 'float32', dims: [1, 3, side, side], data: normalise(frameOf(side, side).data) } } satisfies Record<string, Tensor>;
    const embedded = (await addEmbedding(answering, { batches: [{ [imageInput]: frame }, { [imageInput]: frame }], random: seededRandom(1) })).model;
    const near = (await quantise(withImageInput(plain, { ...options, padding: 'near' }).model, { batches: [{ [imageInput]: frame }] })).model;
    const contenders = [
      await inProgram('JavaScript, float', plain, frame),
      await inGraph('graph, float', fed, frame),
      await inProgram('JavaScript, 8 bits', (await quantise(plain, { batches: [seen] })).model, frame),
      await inGraph('graph, 8 bits', (await quantise(fed, { batches: [{ [imageInput]: frame }] })).model, frame),
      await inGraph('graph, 8 bits, near padding', near, frame),
      await inGraph('graph, float, with embedding', embedded, frame),
    ];
    const times = await race(contenders, rounds);
    contenders.forEach(({ name }, at) => {
      const base = times[name.includes('8 bits') ? 2 : 0] ?? Number.NaN;
      table.push([what, name, (times[at] ?? Number.NaN).toFixed(2), ((times[at] ?? Number.NaN) / base).toFixed(2)]);
      figures[`case ${place + 1}, ${name}, ms`] = Number((times[at] ?? Number.NaN).toFixed(3));
    });
  }
  return { table, figures };
}
