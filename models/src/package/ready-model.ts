import { detectionFields } from '@serin/inference/detections';
import { embeddingOutput } from '@serin/inference/embedding';
import { imageStatisticNames } from '@serin/inference/image-statistics';
import { confidenceStatistic } from '@serin/inference/records';
import { seededRandom, type Random } from '@serin/inference/random';
import type { Golden } from '@serin/protocol/bundle/golden';
import { takesFrames, type BundlePart, type Manifest, type TensorSpec } from '@serin/protocol/bundle/manifest';
import type { Profile, ProfileStatistic } from '@serin/protocol/bundle/profile';
import { sha256 } from '@serin/protocol/digest';
import { SerinError } from '@serin/protocol/errors';

import { checkModel } from '../onnx/check.ts';
import { drawTensor } from '../onnx/example-inputs.ts';
import { elementCount, type Model, type ValueInfo } from '../onnx/graph.ts';
import { inferModel } from '../onnx/infer-model.ts';
import { inspectModel, type ModelSummary } from '../onnx/inspect.ts';
import { modelBytesMax, readModel } from '../onnx/model-file.ts';
import { openSession, type Session } from '../onnx/session.ts';
import { makeGolden, type NamedTensors } from './golden.ts';
import { emptyAnswers, emptyStatistic } from './profile.ts';
import { jsonBytes, type TrainedVersion } from './version.ts';

export interface ReadyModelOptions {
  readonly seed: number;
  /** Names of the classes, when the model is a classifier of images. */
  readonly labels?: readonly string[];
  readonly sizeBytesMax?: number;
}

const vectorsMax = 8;
/** Numbers in all golden inputs and outputs together; the file must stay small enough for every device. */
const goldenNumbersMax = 400_000;
/** Of the largest output, or of 1 where all are smaller: other kernels add in another order and round elsewhere. */
const toleranceShare = { fp32: 1e-3, u8s8: 0.03 };
const statisticRanges: Record<(typeof imageStatisticNames)[number], [low: number, high: number]> = {
  brightness: [0, 255],
  contrast: [0, 128],
  sharpness: [0, 8192],
};

/** Packages a finished ONNX file as it is: nothing is trained and nothing is judged. */
export async function packReadyModel(bytes: Uint8Array, options: ReadyModelOptions): Promise<TrainedVersion> {
  const summary = inspectModel(bytes, options.sizeBytesMax ?? modelBytesMax);
  refuseUnservable(summary);
  refuseUnsound(bytes, options.sizeBytesMax ?? modelBytesMax);
  const inputs = summary.inputs.map(tensorSpec);
  const outputs = summary.outputs.map(tensorSpec);
  const labels = options.labels ?? [];
  const task = taskOf(summary, labels);
  const variant = summary.operators['QuantizeLinear'] === undefined && summary.operators['QLinearConv'] === undefined ? 'fp32' : 'u8s8';

  const session = await openSession(bytes);
  try {
    const golden = await goldenOf(session, summary, seededRandom(options.seed), toleranceShare[variant]);
    const files: BundlePart[] = [
      { role: 'model', variant, path: `model.${variant}.onnx`, bytes },
      { role: 'golden', variant, path: `golden.${variant}.json`, bytes: jsonBytes(golden) },
      { role: 'profile', path: 'profile.json', bytes: jsonBytes(emptyProfile(summary.inputs, takesFrames({ task }) ? labels.length : 0)) },
    ];
    return {
      files,
      task,
      labels,
      inputs,
      outputs,
      metrics: {},
      gate: { passed: true, checks: [] },
      weightDigest: await sha256(bytes),
      parameters: summary.parameters,
    };
  } finally {
    void session.release();
  }
}

function refuseUnservable({ inputs, outputs, externalData }: ModelSummary): void {
  const refuse = (detail: string, hint: string): never => {
    throw new SerinError('MODEL_UNSUPPORTED', { detail, hint });
  };
  if (inputs.length === 0) refuse('it has no inputs', 'Export a model that takes its data as inputs');
  if (outputs.length === 0) refuse('it has no outputs', 'Mark at least one value as output when exporting');
  if (externalData) refuse('its weights lie in another file', 'Save it with all weights in one file: onnx.save(model, path)');
}

function refuseUnsound(bytes: Uint8Array, sizeBytesMax: number): void {
  let model: Model;
  try {
    model = readModel(bytes, sizeBytesMax);
  } catch (error) {
    // Functions, texts, 4-bit weights: the runtime knows more than our graphs can say, and is asked next.
    if (error instanceof SerinError && error.code === 'MODEL_UNSUPPORTED') return;
    throw error;
  }
  // Free dimensions are 1 for the golden vectors too; a result that is absurdly large even so ends here.
  inferModel(checkModel(model), { otherwise: 1, tolerant: true });
}

function tensorSpec({ name, type, dims }: ValueInfo): TensorSpec {
  switch (type) {
    case 'uint8':
    case 'int8':
    case 'int32':
    case 'int64':
    case 'float32':
    case 'bool':
      return { name, dtype: type, shape: dims.map((dim) => (typeof dim === 'number' ? dim : -1)) };
    default:
      throw new SerinError('MODEL_UNSUPPORTED', {
        detail: `${name} has element type ${type}`,
        hint: 'Cast inputs and outputs to float32, int32, int64, int8, uint8 or bool inside the model',
      });
  }
}

/** Raw uint8 NHWC pictures with 1 or 3 channels. */
const isImage = ({ type, dims }: ValueInfo): boolean => type === 'uint8' && dims.length === 4 && (dims[3] === 1 || dims[3] === 3);

/** What it answers says what it is for: `probabilities` of one frame, or rows of `detections` on it. */
function taskOf({ inputs, outputs }: ModelSummary, labels: readonly string[]): Manifest['task'] {
  const [input] = inputs;
  const [output, ...others] = outputs.filter(({ name }) => name !== embeddingOutput);
  if (inputs.length !== 1 || others.length > 0 || input === undefined || output === undefined || !isImage(input)) return 'tensor';
  const { name, type, dims } = output;
  if (type !== 'float32' || labels.length === 0) return 'tensor';
  if (name === 'probabilities' && dims.length === 2 && dims[1] === labels.length) return 'image-classification';
  if (name === 'detections' && dims.length === 3 && dims[2] === detectionFields) return 'detection';
  return 'tensor';
}

/** Free dimensions become 1: a batch of one, a sequence of one. */
const boundDims = (value: ValueInfo): number[] => value.dims.map((dim) => (typeof dim === 'number' ? dim : 1));

async function goldenOf(session: Session, summary: ModelSummary, random: Random, share: number): Promise<Golden> {
  const numbersIn = summary.inputs.reduce((sum, input) => sum + elementCount(boundDims(input)), 0);
  const tooLarge = (numbers: number): SerinError =>
    new SerinError('MODEL_UNSUPPORTED', {
      detail: `one example has ${numbers} numbers in and out; golden vectors hold at most ${goldenNumbersMax}`,
      hint: 'Reduce the picture or the outputs inside the graph: top-k instead of all scores, boxes instead of maps',
    });
  if (numbersIn > goldenNumbersMax) throw tooLarge(numbersIn);
  const draw = (index: number): NamedTensors =>
    Object.fromEntries(summary.inputs.map((input) => [input.name, drawTensor(input, boundDims(input), random.fork(`${index}/${input.name}`))]));
  const attempt = async (inputs: NamedTensors[]) => {
    try {
      return await makeGolden(session, inputs, share);
    } catch (cause) {
      if (cause instanceof SerinError) throw cause;
      throw new SerinError('MODEL_UNSUPPORTED', {
        detail: `it does not run on an example with every free dimension 1: ${cause instanceof Error ? cause.message : String(cause)}`,
        hint: 'Fix the free dimensions except the batch when exporting',
        cause,
      });
    }
  };

  const first = await attempt([draw(0)]);
  const numbersOut = Object.values(first.vectors[0]?.outputs ?? {}).reduce((sum, values) => sum + values.length, 0);
  const each = numbersIn + numbersOut;
  if (each > goldenNumbersMax) throw tooLarge(each);
  const count = Math.min(vectorsMax, Math.floor(goldenNumbersMax / each));
  const golden = await attempt(Array.from({ length: count }, (_, index) => draw(index)));
  let largest = 1;
  for (const { outputs } of golden.vectors) for (const value of Object.values(outputs).flat()) largest = Math.max(largest, Math.abs(value));
  return { ...golden, tolerance: share * largest };
}

/** `labels`: of a model that answers frames; of any other 0. */
/** For a model whose live frames nobody has seen yet. */
export function emptyProfile(inputs: readonly ValueInfo[], labels: number): Profile {
  const statistics: ProfileStatistic[] = [];
  if (inputs.length === 1 && inputs.every(isImage)) {
    for (const name of imageStatisticNames) statistics.push(emptyStatistic(name, ...statisticRanges[name]));
  }
  if (labels > 0) statistics.push(emptyStatistic(confidenceStatistic, 0, 1));
  const classConfidence = emptyAnswers(labels);
  return {
    v: 1,
    framesPerWindow: 0,
    assumption: 'No reference came with this model: devices count, and nothing can be called drift until a reference has been confirmed.',
    statistics,
    ...(classConfidence === undefined ? {} : { classConfidence }),
  };
}
