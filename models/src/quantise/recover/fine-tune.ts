import { SerinError } from '@serin/protocol/errors';
import type { Random } from '@serin/inference/random';

import type { Batch as TrainingBatch, BatchSource } from '../../data/batch-source.ts';
import { elementCount, type Model, type Tensor } from '../../onnx/graph.ts';
import { writeModel } from '../../onnx/model-file.ts';
import { openSession, runtimeTensor, type Session } from '../../onnx/session.ts';
import { mse, sumOf, type Loss } from '../../train/losses.ts';
import { adam } from '../../train/optimiser.ts';
import { train } from '../../train/train.ts';
import type { Batch } from '../batches.ts';
import { trainableGraph } from './fake-quant.ts';
import { editLayers, type LayerEdit } from './layers.ts';
import { lastLayers, outputOf, probed } from './observe.ts';

export interface FineTuneSettings {
  /** Inputs to learn from, and targets where there is a loss; the calibration batches unless said otherwise. */
  readonly source?: BatchSource;
  /** Beside being like the float model: asks for values by their names in the prepared float graph. */
  readonly loss?: Loss;
  /** How much of the loss is to be like the float model, 1 unless said otherwise. */
  readonly distil?: number;
  readonly steps?: number;
  readonly batch?: number;
  /** In steps of a stored weight. */
  readonly rate?: number;
  readonly seed?: number;
}

export interface FineTuneRequest extends FineTuneSettings {
  /** The prepared float graph, which teaches. */
  readonly float: Model;
  /** Its 8-bit form, which learns. */
  readonly quantised: Model;
  readonly batches: readonly Batch[];
  /** Largest number of steps a weight is stored as, on either side of zero. */
  readonly largest: number;
  readonly judge?: (quantised: Model) => Promise<number>;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (fraction: number) => void;
}

export interface FineTuned {
  readonly model: Model;
  /** What was learnt, to be written into any 8-bit form of the same graph. */
  readonly edits: ReadonlyMap<string, LayerEdit>;
  readonly steps: number;
}

const usual = { steps: 200, batch: 16, rate: 0.03, seed: 1 } as const;
/** The task is asked so often on the way; the best is kept. */
const judgements = 4;

/** Trains the 8-bit form to answer as the float model does, through the very roundings it ships with. */
export async function fineTuneQuantised(request: FineTuneRequest): Promise<FineTuned> {
  const { float, quantised, batches, largest, judge, threads = 1, signal, onProgress } = request;
  const { steps = usual.steps, rate = usual.rate, seed = usual.seed, loss } = request;
  const graph = trainableGraph(float, quantised, largest);
  if (graph.trainable.length === 0) throw new SerinError('MODEL_INVALID', { detail: 'no layer has 8 bits, so none is to be trained' });
  const examples = request.source ?? exampleSource(batches);
  const batch = batchSize(float, Math.min(request.batch ?? usual.batch, examples.examples));
  const teacher = await openTeacher(float, graph.model, threads);
  try {
    const powers = await teacher.powers(batches);
    const distil = request.distil ?? 1;
    const likeFloat = [...powers].map(([node, power]): [string, readonly [Loss, number]] => [
      node,
      [mse({ prediction: outputOf(graph.model, node) ?? '', targets: targetOf(node) }), distil / Math.max(power, Number.MIN_VALUE)],
    ]);
    const own = loss === undefined ? [] : [['task', [renamed(loss, float, graph.model), 1] as const] as const];
    const stepsPerEpoch = Math.max(1, Math.floor(examples.examples / batch));
    const result = await train({
      model: unnamed(graph.model),
      trainable: graph.trainable,
      loss: sumOf(Object.fromEntries([...(distil > 0 ? likeFloat : []), ...own])),
      source: teacher.taught(examples),
      dimensions: freeDimensions(float, batches),
      batch,
      epochs: steps / stepsPerEpoch,
      rate,
      optimiser: adam(),
      clipNorm: 1,
      frozenNorms: true,
      seed,
      threads,
      signal,
      ...(judge === undefined
        ? {}
        : {
            validate: {
              run: async (model: Model) => judge(editLayers(quantised, graph.edits(model.graph.initialisers))),
              better: 'higher' as const,
              everySteps: Math.ceil(steps / judgements),
            },
          }),
      ...(onProgress === undefined ? {} : { onProgress: ({ step, steps: all }) => onProgress(step / all) }),
    });
    const edits = graph.edits(result.model.graph.initialisers);
    return { model: editLayers(quantised, edits), edits, steps: result.steps };
  } finally {
    await teacher.close();
  }
}

/** The training graph names nodes itself, and no two may have one name. */
const unnamed = (model: Model): Model => ({ ...model, graph: { ...model.graph, nodes: model.graph.nodes.map((node) => ({ ...node, name: '' })) } });

const targetOf = (node: string): string => `float:${node}`;

interface Teacher {
  /** Mean square of what each of the last layers puts out: the errors are told against it. */
  powers(batches: readonly Batch[]): Promise<Map<string, number>>;
  /** The batches of a source, with what the float model says to them. */
  taught(source: BatchSource): BatchSource;
  close(): Promise<void>;
}

async function openTeacher(float: Model, student: Model, threads: number): Promise<Teacher> {
  const nodes = lastLayers(float).filter((node) => outputOf(student, node) !== undefined);
  const values = new Map(nodes.map((node) => [node, outputOf(float, node) ?? '']));
  const session = await openSession(writeModel(probed(float, [...values.values()]), { shapelessOutputs: true }), { threads });
  const answer = async (feeds: Batch): Promise<Map<string, Tensor<'float32'>>> => {
    const results = await run(session, feeds);
    return new Map(
      [...values].map(([node, value]) => [node, { type: 'float32', dims: results[value]?.dims ?? [], data: results[value]?.data as Float32Array }]),
    );
  };
  return {
    powers: async (batches) => {
      const sums = new Map(nodes.map((node) => [node, { sum: 0, count: 0 }]));
      for (const batch of batches) {
        for (const [node, { data }] of await answer(batch)) {
          const total = sums.get(node) ?? { sum: 0, count: 0 };
          for (const value of data) total.sum += value * value;
          total.count += data.length;
        }
      }
      return new Map([...sums].map(([node, { sum, count }]) => [node, sum / Math.max(1, count)]));
    },
    taught: (source) => ({
      examples: source.examples,
      close: async () => source.close?.(),
      fill: async (indices, random) => {
        const { feeds, targets } = await source.fill(indices, random);
        const answers = [...(await answer(feeds))].map(([node, tensor]) => [targetOf(node), tensor] as const);
        return { feeds, targets: { ...targets, ...Object.fromEntries(answers) } };
      },
    }),
    close: () => session.release(),
  };
}

const run = (session: Session, feeds: Batch): ReturnType<Session['run']> =>
  session.run(Object.fromEntries(Object.entries(feeds).map(([name, { type, data, dims }]) => [name, runtimeTensor(type, data, dims)])));

/** Values are asked for as the float graph calls them; in the other their nodes put them out under another name. */
function renamed(loss: Loss, float: Model, student: Model): Loss {
  const makers = new Map(float.graph.nodes.flatMap((node) => node.outputs.map((output, index) => [output, { name: node.name, index }] as const)));
  const students = new Map(student.graph.nodes.map((node) => [node.name, node]));
  return (context) =>
    loss({
      ...context,
      output: (name) => {
        const maker = makers.get(name);
        return context.output((maker === undefined ? undefined : students.get(maker.name)?.outputs[maker.index]) ?? name);
      },
    });
}

/** A model exported for so many examples at a time takes no others. */
function batchSize(model: Model, wanted: number): number {
  const fixed = model.graph.inputs.map(({ dims }) => dims[0]).find((dim) => typeof dim === 'number');
  return typeof fixed === 'number' ? fixed : wanted;
}

function freeDimensions(model: Model, batches: readonly Batch[]): Record<string, number> {
  const sizes = model.graph.inputs.flatMap(({ name, dims }) =>
    dims.slice(1).flatMap((dim, axis): [string, number][] => (typeof dim === 'string' ? [[dim, batches[0]?.[name]?.dims[axis + 1] ?? 1]] : [])),
  );
  return Object.fromEntries(sizes);
}

/** The calibration batches as single examples; those of another shape than the first are left out. */
export function exampleSource(batches: readonly Batch[]): BatchSource {
  const shapeOf = (batch: Batch): string => JSON.stringify(Object.entries(batch).map(([name, { type, dims }]) => [name, type, dims.slice(1)]));
  const first = batches[0];
  const alike = first === undefined ? [] : batches.filter((batch) => shapeOf(batch) === shapeOf(first));
  const rows = alike.flatMap((batch) => Array.from({ length: Object.values(batch)[0]?.dims[0] ?? 0 }, (_, row) => ({ batch, row })));
  return {
    examples: rows.length,
    fill: (indices: Int32Array, _: Random): TrainingBatch => {
      const feeds = Object.entries(first ?? {}).map(([name, like]): [string, Tensor] => {
        const dims = [indices.length, ...like.dims.slice(1)];
        const size = elementCount(dims.slice(1));
        const data = new (like.data.constructor as Float32ArrayConstructor)(indices.length * size);
        indices.forEach((example, place) => {
          const { batch, row } = rows[example] ?? {};
          const from = batch?.[name]?.data as Float32Array | undefined;
          if (from !== undefined && row !== undefined) data.set(from.subarray(row * size, (row + 1) * size), place * size);
        });
        return [name, { ...like, dims, data } as Tensor];
      });
      return { feeds: Object.fromEntries(feeds), targets: {} };
    },
  };
}
