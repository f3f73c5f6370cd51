import { SerinError } from '@serin/protocol/errors';

import type { Batch } from '../data/batch-source.ts';
import type { Tensor } from '../onnx/graph.ts';
import type { CheckpointPlace } from './checkpoint-keeper.ts';
import type { LossPoint } from './loss-history.ts';

/** What is known when a number is not finite. */
export interface Divergence {
  readonly step: number;
  readonly loss: number;
  readonly gradientNorm: number;
  readonly rate: number;
  readonly batch: Batch;
  /** Numbers of the batch's examples. */
  readonly examples: Int32Array;
  /** The course of the loss up to here. */
  readonly history: readonly LossPoint[];
  /** The weights the model began with. */
  readonly initial: ReadonlyMap<string, Tensor>;
  readonly checkpoint: CheckpointPlace | undefined;
}

export const isDiverged = (loss: number, gradientNorm: number): boolean => !Number.isFinite(loss) || !Number.isFinite(gradientNorm);

/** The error of a run whose numbers left the finite, with the likeliest cause first found. */
export function divergenceError(found: Divergence): SerinError {
  const { step, loss, gradientNorm, checkpoint } = found;
  const what = Number.isFinite(loss)
    ? `the gradient was ${gradientNorm} at step ${step}, while the loss was ${shown(loss)}`
    : `the loss was ${loss} at step ${step}`;
  const { cause, hint } = likelyCause(found);
  const rest = checkpoint === undefined ? '' : `; the last good checkpoint is ${checkpoint.file} of step ${checkpoint.step}`;
  return new SerinError('TRAINING_DIVERGED', { detail: `${what}: ${cause}${rest}`, hint });
}

interface Cause {
  readonly cause: string;
  readonly hint: string;
}

function likelyCause(found: Divergence): Cause {
  return faultyExample(found) ?? faultyWeight(found) ?? (found.step === 1 ? faultyStart(found) : (faultyRate(found) ?? faultyFormula));
}

const firstBad = ({ type, data }: Tensor): number =>
  type === 'float32' || type === 'float64' ? (data as Float32Array).findIndex((value) => !Number.isFinite(value)) : -1;

function faultyExample({ batch, examples }: Divergence): Cause | undefined {
  for (const [kind, tensors] of [['input', batch.feeds] as const, ['target', batch.targets] as const]) {
    for (const [name, tensor] of Object.entries(tensors)) {
      const index = firstBad(tensor);
      if (index === -1) continue;
      const place = Math.floor((index * examples.length) / tensor.data.length);
      const whose = tensor.dims[0] === examples.length ? ` of example ${examples[place]} (place ${place} of the batch)` : '';
      return { cause: `the ${kind} ${name}${whose} holds ${String(tensor.data[index])}`, hint: 'Mend or remove this example, and look at how it was made' };
    }
  }
  return undefined;
}

function faultyWeight({ initial }: Divergence): Cause | undefined {
  for (const [name, tensor] of initial) {
    const index = firstBad(tensor);
    if (index !== -1)
      return { cause: `the weight ${name} was ${String(tensor.data[index])} before the first step`, hint: 'Begin with a model of finite weights' };
  }
  return undefined;
}

/** Beyond this an input is not what networks are made for. */
const inputUsualMax = 100;

function faultyStart({ batch }: Divergence): Cause {
  const ranges = Object.entries(batch.feeds).flatMap(([name, { type, data }]) => {
    if (type !== 'float32' && type !== 'float64') return [];
    let [low, high] = [Infinity, -Infinity];
    for (const value of data as Float32Array) [low, high] = [Math.min(low, value), Math.max(high, value)];
    return [{ name, low, high }];
  });
  const said = ranges.map(({ name, low, high }) => `${name} from ${shown(low)} to ${shown(high)}`).join(', ');
  if (ranges.some(({ low, high }) => Math.max(-low, high) > inputUsualMax)) {
    return { cause: `nothing was learnt yet, and the inputs are large: ${said}`, hint: 'Scale the inputs to about -1 to 1' };
  }
  const inputs = said === '' ? '' : ` (inputs: ${said})`;
  return {
    cause: `nothing was learnt yet and the batch is sound${inputs}, so it lies in the model or in the loss`,
    hint: 'Look at its first weights, and for a logarithm of zero, a division by zero or a root of something negative',
  };
}

const growthMin = 100;

function faultyRate({ step, history, rate }: Divergence): Cause | undefined {
  const hint = `Lower the learning rate, which was ${shown(rate)} here, or limit the gradient with clipNorm`;
  const last = history.at(-1);
  const usual = median(history.slice(0, Math.max(1, Math.floor(history.length / 2))).map(({ loss }) => Math.abs(loss)));
  if (last !== undefined && Math.abs(last.loss) > growthMin * usual) {
    const first = history[0] ?? last;
    return {
      cause: `the loss had grown from ${shown(first.loss)} at step ${first.step} to ${shown(last.loss)} at step ${last.step}: the learning rate is too high`,
      hint,
    };
  }
  return step === 2 ? { cause: 'the first step led here: the learning rate is most likely too high', hint } : undefined;
}

const faultyFormula: Cause = {
  cause: 'the batch is sound and the loss had not grown; most likely a logarithm of zero, a division by zero or an overflow in the model or in the loss',
  hint: 'Use losses that take scores instead of probabilities, add a small number where something is divided, or lower the learning rate',
};

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
const shown = (value: number): string => String(Number(value.toPrecision(3)));
