import type { Random } from '@serin/inference/random';
import { SerinError } from '@serin/protocol/errors';
import { toBase64 } from '@serin/protocol/digest';
import type { Golden } from '@serin/protocol/bundle/golden';
import type { Variant } from '@serin/protocol/bundle/manifest';

import { boxesOutput, detectionsOutput } from '../deploy/detections.ts';
import type { Tensor } from '../onnx/graph.ts';
import { openSession, runtimeTensor, type Session, type SessionOptions } from '../onnx/session.ts';
import { throwIfCancelled } from '../train/cancellation.ts';

export type NamedTensors = Readonly<Record<string, Tensor>>;
type Vector = Golden['vectors'][number];
type Outputs = Vector['outputs'];

/** Runs the model on each of the inputs and writes down what came out. */
export async function makeGolden(session: Session, inputs: readonly NamedTensors[], tolerance: number): Promise<Golden> {
  const vectors: Golden['vectors'] = [];
  for (const tensors of inputs) vectors.push(vectorOf(tensors, await answer(session, tensors)));
  return { v: 1, tolerance, vectors };
}

/** So many digits say which float32 it is. */
const digits = 9;

async function answer(session: Session, tensors: NamedTensors): Promise<Outputs> {
  const feeds = Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, runtimeTensor(tensor.type, tensor.data, tensor.dims)]));
  const results = await session.run(feeds);
  return Object.fromEntries(
    Object.entries(results).map(([name, { type, data }]) => {
      const values = Array.from(data as ArrayLike<number | bigint | boolean>, Number);
      return [name, type === 'float32' ? values.map((value) => Number(value.toPrecision(digits))) : values];
    }),
  );
}

function vectorOf(tensors: NamedTensors, outputs: Outputs): Vector {
  for (const [name, values] of Object.entries(outputs)) {
    if (!values.every(Number.isFinite)) {
      throw new SerinError('MODEL_UNSUPPORTED', {
        detail: `output ${name} is not finite on a golden input`,
        hint: 'Check the weights for infinities, and that the model accepts any input of its declared type',
      });
    }
  }
  return { inputs: Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, encodeTensor(tensor)])), outputs };
}

function encodeTensor(tensor: Tensor): Vector['inputs'][string] {
  const { buffer, byteOffset, byteLength } = tensor.data;
  return { shape: [...tensor.dims], dtype: tensor.type, data: toBase64(new Uint8Array(buffer, byteOffset, byteLength)) };
}

export interface GoldenChoice {
  readonly model: Uint8Array;
  readonly variant: Variant;
  /** Real inputs, tried one after the other until enough are steady. */
  readonly candidates: Iterable<NamedTensors>;
  readonly count: number;
  readonly random: Random;
  /** Of all candidates so many are tried. */
  readonly triesMax?: number;
  /** Instead of the usual ones, by output: the least tolerance, and the one above which an input is passed over. */
  readonly bounds?: Readonly<Record<string, Bounds>>;
  readonly bytesMax?: number;
  readonly signal?: AbortSignal | undefined;
}

interface Bounds {
  readonly floor: number;
  readonly ceiling: number;
}

/** Shares of the largest number of an output, or of 1. Elsewhere floats are added in another order, and 8 bits are rounded to another step where a value lies between two. */
const usualBounds: Record<Variant, Bounds> = {
  fp32: { floor: 1e-4, ceiling: 0.02 },
  fp16: { floor: 5e-3, ceiling: 0.1 },
  u8s8: { floor: 0.01, ceiling: 0.25 },
  u8u8: { floor: 0.01, ceiling: 0.25 },
  dyn8: { floor: 0.01, ceiling: 0.25 },
  w8: { floor: 1e-3, ceiling: 0.1 },
  w4: { floor: 1e-3, ceiling: 0.1 },
};
/** Labels, pixels, radians and scores in one row: numbers as they are, and never so far off that a label is another. */
const rowBounds = { exact: { floor: 0.02, ceiling: 0.5 }, coarse: { floor: 0.1, ceiling: 0.5 } } as const;
const rowOutputs: ReadonlySet<string> = new Set([detectionsOutput, boxesOutput]);

function boundsOf(name: string, values: readonly number[], { bounds, variant }: GoldenChoice): Bounds {
  const own = bounds?.[name];
  if (own !== undefined) return own;
  if (rowOutputs.has(name)) return rowBounds[variant === 'fp32' ? 'exact' : 'coarse'];
  const scale = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  const { floor, ceiling } = usualBounds[variant];
  return { floor: floor * scale, ceiling: ceiling * scale };
}

/** What was seen here is multiplied by it: other processors have other kernels. */
const safety = 4;
const triesUsual = 60;
const bytesUsual = 2 ** 20;
/** One vector may have so many, where the picture is large. */
const vectorBytesMax = 2 ** 24;
/** One way to run a model is as right as another: each step fused or not, in one thread or two. */
const ways: readonly SessionOptions[] = [{ optimisation: 'disabled' }, { optimisation: 'basic', threads: 2 }];
/** A picture changed by a grey level here and there must still be answered alike. */
const disturbances = 3;
const disturbedShare = 1 / 64;
/**
 * Golden vectors of this very model on real inputs. How far answers may be off is measured, output by output: between ways
 * to run it, and under small disturbances of the input. Inputs that are answered too differently, such as those where two scores
 * are about to change places, prove nothing and are passed over.
 */
export async function chooseGolden(choice: GoldenChoice): Promise<Golden> {
  const { model, candidates, count, random, signal, triesMax = triesUsual, bytesMax = bytesUsual } = choice;
  const session = await openSession(model);
  const others: Session[] = [];
  try {
    // A way in which it does not run at all is none.
    for (const way of ways)
      others.push(
        ...(await openSession(model, { ...way, quiet: true }).then(
          (other) => [other],
          () => [],
        )),
      );
    const vectors: Vector[] = [];
    const tolerances: Record<string, number> = {};
    let [tries, bytes] = [0, 0];
    for (const tensors of candidates) {
      if (vectors.length === count || tries === triesMax) break;
      throwIfCancelled(signal);
      tries += 1;
      const vector = vectorOf(tensors, await answer(session, tensors));
      const size = sizeOf(vector);
      if (vectors.length === 0 ? size > vectorBytesMax : bytes + size > bytesMax) break;
      const spread = await spreadOf(vector.outputs, tensors, session, others, random.fork(String(tries)));
      const judged = Object.entries(vector.outputs).map(([name, values]) => ({
        name,
        wanted: safety * (spread[name] ?? Infinity),
        ...boundsOf(name, values, choice),
      }));
      if (judged.some(({ wanted, ceiling }) => wanted > ceiling)) continue;
      for (const { name, wanted, floor } of judged) tolerances[name] = Math.max(tolerances[name] ?? 0, floor, wanted);
      vectors.push(vector);
      bytes += size;
    }
    if (vectors.length === 0) throw noneSteady(tries);
    return { v: 1, tolerance: Math.max(...Object.values(tolerances)), tolerances, vectors };
  } finally {
    for (const each of [session, ...others]) await each.release();
  }
}

const noneSteady = (tries: number): SerinError =>
  new SerinError('MODEL_UNSUPPORTED', {
    detail: `none of ${tries} inputs can be a golden vector: they are too large, or answered too differently from one way of running it to the next`,
    hint: 'Look at inputs as they come in service; reduce what it answers inside the graph; or leave this variant out',
  });

/** As JSON. */
const sizeOf = ({ inputs, outputs }: Vector): number =>
  Object.values(inputs).reduce((sum, { data }) => sum + data.length, 0) + Object.values(outputs).reduce((sum, values) => sum + 12 * values.length, 0);

/** By output, the largest difference from what was answered. */
async function spreadOf(wanted: Outputs, tensors: NamedTensors, session: Session, others: readonly Session[], random: Random): Promise<Record<string, number>> {
  const answers: Outputs[] = [];
  for (const other of others) answers.push(await answer(other, tensors));
  const isPicture = Object.values(tensors).some(({ type }) => type === 'uint8');
  for (let run = 0; isPicture && run < disturbances; run += 1) answers.push(await answer(session, disturb(tensors, random.fork(String(run)))));
  return Object.fromEntries(
    Object.entries(wanted).map(([name, values]) => {
      const largest = (found: readonly number[] | undefined): number =>
        found?.length === values.length ? values.reduce((most, value, at) => Math.max(most, Math.abs(value - (found[at] ?? Number.NaN))), 0) : Infinity;
      const spread = Math.max(0, ...answers.map((found) => largest(found[name])));
      // What is no number is no answer either.
      return [name, Number.isNaN(spread) ? Infinity : spread];
    }),
  );
}

/** Bytes alone: floats may be columns of a table, which trees compare to the last digit. */
function disturb(tensors: NamedTensors, random: Random): NamedTensors {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]): [string, Tensor] => {
      if (tensor.type !== 'uint8') return [name, tensor];
      return [name, { ...tensor, data: (tensor.data as Uint8Array).map((value) => (random.uniform() < disturbedShare ? value ^ 1 : value)) }];
    }),
  );
}
