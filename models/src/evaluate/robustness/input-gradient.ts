import type { FrameShape } from '@serin/inference/image-statistics';
import { SerinError } from '@serin/protocol/errors';

import { createModel, currentIrVersion, currentOpset, numberAttribute, type Model, type Node, type Tensor } from '../../onnx/graph.ts';
import { writeModel } from '../../onnx/model-file.ts';
import { upgradeOpset } from '../../onnx/passes/upgrade-opset.ts';
import { namesDefined } from '../../onnx/scope.ts';
import { openSession, runtimeTensor } from '../../onnx/session.ts';
import { differentiate } from '../../train/autodiff.ts';
import { softmaxCrossEntropy, type Loss } from '../../train/losses.ts';
import { createLayout } from '../../train/model-layout.ts';
import { createTape } from '../../train/tape.ts';

export interface InputGradientOptions {
  /** A model that takes pictures as they come from a camera: [N, height, width, channels]. The float one: rounding has no slope. */
  readonly model: Model;
  readonly loss: Loss;
  readonly shape: FrameShape;
  /** Pictures at a time, unless the model has a fixed number. */
  readonly batch?: number;
  readonly threads?: number;
}

export interface InputGradient {
  readonly batch: number;
  /** Of a full batch: the loss, and its slope with respect to each grey level of each picture. */
  run(pixels: Uint8Array, targets: Readonly<Record<string, Tensor>>): Promise<{ loss: number; slopes: Float32Array }>;
  close(): Promise<void>;
}

/**
 * A session that gives the slope of the loss with respect to the model's input. Pictures are whole numbers, which have none:
 * the graph is laid out with a float input in their place, and whatever it does before its Cast is then differentiated too.
 */
export async function openInputGradient({ model: given, loss, shape, batch: wanted = 16, threads = 1 }: InputGradientOptions): Promise<InputGradient> {
  const model = upgradeOpset(given);
  const [input, ...others] = model.graph.inputs.filter(({ name }) => !model.graph.initialisers.has(name));
  if (input === undefined || others.length > 0 || input.dims.length !== 4)
    throw new SerinError('MODEL_UNSUPPORTED', { detail: 'a model that is attacked has one input, pictures of [N, height, width, channels]' });
  const [first, ...rest] = input.dims;
  const batch = typeof first === 'number' ? first : wanted;
  const dims = [batch, shape.height, shape.width, shape.channels];
  if (rest.some((dim, axis) => typeof dim === 'number' && dim !== dims[axis + 1]))
    throw new SerinError('MODEL_UNSUPPORTED', { detail: `it takes pictures of [${input.dims.join(', ')}], these are [${dims.join(', ')}]` });

  const inputs = [{ ...input, type: 'float32' as const, dims }];
  const relaxed: Model = { ...model, graph: { ...model.graph, inputs } };
  const taken = new Set(namesDefined(model.graph));
  const opset = Math.max(currentOpset, model.opsets[''] ?? currentOpset);
  const tape = createTape('attack', opset, taken);
  const layOut = createLayout(tape, relaxed, { dimensions: {}, present: new Set() });
  const targets = new Map<string, string>();
  const value = loss({
    tape,
    output: layOut,
    target: (name, type, targetDims) => {
      const known = targets.get(name) ?? tape.input(taken.has(name) ? `attack:${name}` : name, type, targetDims);
      targets.set(name, known);
      return known;
    },
    part: () => undefined,
  });
  const slope = differentiate(tape, value, [layOut(input.name)]).get(input.name) ?? '';
  for (const output of [value, slope]) tape.output(output);
  const graph = { ...createModel(tape.finish()), irVersion: Math.max(currentIrVersion, model.irVersion), opsets: { ...model.opsets, '': opset } };
  const session = await openSession(writeModel(graph), { threads });

  return {
    batch,
    run: async (pixels, brought) => {
      const feeds = [...targets].map(([name, place]) => {
        const tensor = brought[name];
        if (tensor === undefined) throw new SerinError('MODEL_INVALID', { detail: `the loss asks for ${name}, which nobody brings` });
        return [place, runtimeTensor(tensor.type, tensor.data, tensor.dims)] as const;
      });
      const picture = runtimeTensor('float32', Float32Array.from(pixels), dims);
      const results = await session.run({ ...Object.fromEntries(feeds), [input.name]: picture });
      const dataOf = (name: string): Float32Array => (results[name]?.data ?? new Float32Array()) as Float32Array;
      return { loss: dataOf(value)[0] ?? Number.NaN, slopes: dataOf(slope) };
    },
    close: () => session.release(),
  };
}

const transparent = new Set(['Identity', 'Cast']);

/**
 * The loss of a classifier that ends in probabilities. Where these come from a Softmax, its scores are asked: a probability near 1
 * has no slope left in 32 bits, and a model would look safe because it is sure.
 */
export function classLoss(model: Model, output = 'probabilities'): Loss {
  const makers = new Map(model.graph.nodes.flatMap((node) => node.outputs.map((name): [string, Node] => [name, node])));
  let maker = makers.get(output);
  while (maker !== undefined && transparent.has(maker.operator)) maker = makers.get(maker.inputs[0] ?? '');
  if (maker?.operator === 'Softmax') return softmaxCrossEntropy({ logits: maker.inputs[0] ?? '', axis: numberAttribute(maker, 'axis', -1) });
  return ({ tape, output: layOut, target }) => {
    const said = layOut(output);
    const { type, dims } = tape.type(said);
    const sure = tape.add('Max', [said, tape.number(1e-12, said)]);
    const chosen = tape.add('Mul', [target('targets', type, dims), tape.add('Log', [sure])]);
    return tape.add('Neg', [tape.add('ReduceSum', [chosen], {})]);
  };
}

/** The targets `classLoss` asks for: one-hot rows. */
export function classTargets(labels: readonly number[], classes: number): Record<string, Tensor> {
  const data = new Float32Array(labels.length * classes);
  labels.forEach((label, row) => (data[row * classes + label] = 1));
  return { targets: { type: 'float32', dims: [labels.length, classes], data } };
}
