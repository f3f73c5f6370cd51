import { seededRandom } from '@serin/inference/random';

import { createGraphBuilder } from '../onnx/builder.ts';
import { createModel, elementCount, int, ints, type Model } from '../onnx/graph.ts';
import { writeModel } from '../onnx/model-file.ts';
import { openSession, runtimeTensor } from '../onnx/session.ts';
import { differentiate } from '../train/autodiff.ts';
import { blockSize } from '../train/blocked/block-size.ts';
import { inBlocks } from '../train/blocked/layout.ts';
import { createTape } from '../train/tape.ts';

export const description = 'convolutions of a detection network, forward and both gradients: milliseconds and GFLOP/s, in blocks of channels and without';

const threads = 2;

interface Shape {
  readonly channels: number;
  readonly filters: number;
  readonly size: number;
  readonly kernel: number;
  readonly stride: number;
  readonly depthwise?: boolean;
}

const shapes: readonly Shape[] = [
  { channels: 3, filters: 16, size: 128, kernel: 3, stride: 2 },
  { channels: 16, filters: 32, size: 64, kernel: 3, stride: 2 },
  { channels: 32, filters: 32, size: 32, kernel: 3, stride: 1 },
  { channels: 32, filters: 64, size: 32, kernel: 3, stride: 2 },
  { channels: 64, filters: 64, size: 16, kernel: 3, stride: 1 },
  { channels: 64, filters: 96, size: 32, kernel: 1, stride: 1 },
  { channels: 32, filters: 48, size: 32, kernel: 5, stride: 2 },
  { channels: 64, filters: 64, size: 32, kernel: 3, stride: 1, depthwise: true },
];

const parts = ['forward', 'weights', 'input'] as const;

/** A graph that does one of the three: the convolution, the gradient of its weights or that of its input. */
function graphOf(
  { channels, filters, size, kernel, stride, depthwise = false }: Shape,
  batch: number,
  part: (typeof parts)[number],
): { model: Model; flops: number } {
  const tape = createTape(part);
  const group = depthwise ? channels : 1;
  const x = tape.input('x', 'float32', [batch, channels, size, size]);
  const w = tape.input('w', 'float32', [filters, channels / group, kernel, kernel]);
  const pad = Math.floor(kernel / 2);
  // Neighbours that work on every element stand on both sides, as in a network; pictures come and go as they say, so that in
  // blocks each of these graphs pays for turning them, which a network does once.
  const y = tape.add('Conv', [tape.add('Relu', [x]), w], { strides: ints([stride, stride]), pads: ints([pad, pad, pad, pad]), group: int(group) });
  const { dims } = tape.type(y);
  const flops = 2 * elementCount(dims) * (channels / group) * kernel ** 2;
  if (part === 'forward') tape.output(tape.add('GlobalAveragePool', [tape.add('Relu', [y])]));
  else {
    const gradient = tape.input('gradient', 'float32', dims);
    const loss = tape.add('ReduceSum', [tape.add('Mul', [y, tape.add('Relu', [gradient])])], { keepdims: int(0) });
    const source = part === 'weights' ? w : x;
    tape.output(tape.add('Identity', [differentiate(tape, loss, [source]).get(source) ?? '']));
  }
  const graph = tape.finish();
  const used = new Set(graph.nodes.flatMap(({ inputs }) => inputs));
  return { model: createModel({ ...graph, inputs: graph.inputs.filter(({ name }) => used.has(name)) }), flops };
}

async function openRun(model: Model): Promise<() => Promise<unknown>> {
  const session = await openSession(writeModel(model), { threads });
  const random = seededRandom(1);
  const feeds = Object.fromEntries(
    model.graph.inputs.map(({ name, dims }) => {
      const shape = dims as number[];
      return [
        name,
        runtimeTensor(
          'float32',
          Float32Array.from({ length: elementCount(shape) }, () => random.uniform()),
          shape,
        ),
      ];
    }),
  );
  return () => session.run(feeds);
}

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

async function openPeak(): Promise<() => Promise<unknown>> {
  const builder = createGraphBuilder('peak');
  for (const name of ['a', 'b']) builder.input(name, 'float32', [1024, 1024]);
  builder.output(builder.add('MatMul', ['a', 'b']), 'float32', [1024, 1024]);
  return openRun(createModel(builder.finish()));
}

export async function run({ quick }: { quick: boolean }): Promise<{ table: string[][]; figures: Record<string, number> }> {
  const batch = quick ? 8 : 32;
  const block = await blockSize();
  const peak = await openPeak();
  await peak();
  const table = [['convolution', 'part', 'MFLOP', 'plain ms', 'blocks ms', 'times', 'GFLOP/s', 'of peak']];
  const ratios: number[] = [];
  const peaks: number[] = [];
  for (const shape of shapes) {
    for (const part of parts) {
      const { model, flops } = graphOf(shape, batch, part);
      const [plain, blocked] = [await openRun(model), await openRun(inBlocks(model, block))];
      const rounds: { plain: number; blocked: number; peak: number }[] = [];
      for (let round = 0; round < (quick ? 5 : 11); round += 1) {
        rounds.push({ plain: await timeOf(plain), blocked: await timeOf(blocked), peak: await timeOf(peak) });
      }
      const times = [median(rounds.map((one) => one.plain)), median(rounds.map((one) => one.blocked))] as const;
      const ratio = median(rounds.map((one) => one.plain / one.blocked));
      const share = median(rounds.map((one) => (flops / one.blocked) * (one.peak / (2 * 1024 ** 3))));
      peaks.push(...rounds.map((one) => one.peak));
      ratios.push(ratio);
      const title = `${shape.channels}>${shape.filters} ${shape.kernel}x${shape.kernel}${shape.stride > 1 ? `/${shape.stride}` : ''} at ${shape.size}${shape.depthwise === true ? ' depthwise' : ''}`;
      table.push([
        part === 'forward' ? title : '',
        part,
        (flops / 1e6).toFixed(0),
        times[0].toFixed(2),
        times[1].toFixed(2),
        ratio.toFixed(2),
        (flops / times[1] / 1e6).toFixed(0),
        share.toFixed(2),
      ]);
    }
  }
  const geometric = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
  return { table, figures: { block, batch, overPlain: Math.round(geometric * 100) / 100, peakGflops: Math.round((2 * 1024 ** 3) / Math.min(...peaks) / 1e6) } };
}
