import { SerinError } from '@serin/protocol/errors';
import { embeddingOutput } from '@serin/inference/embedding';

import { checkModel } from '../onnx/check.ts';
import { int, type Dimension, type Model, type Node, type ValueInfo } from '../onnx/graph.ts';
import { inferModel } from '../onnx/infer-model.ts';
import { upgradeOpset } from '../onnx/passes/upgrade-opset.ts';
import { extendModel, makerOf, type GraphTools } from './extend.ts';

export const probabilitiesOutput = 'probabilities';
export const labelsOutput = 'labels';
export const scoresOutput = 'scores';
export const classMapOutput = 'classes';

const refuse = (detail: string, hint: string): SerinError => new SerinError('MODEL_UNSUPPORTED', { detail, hint });

/** Only what a head makes is asked of a device, and the embedding where there is one. */
export const keepEmbedding = ({ name }: ValueInfo): boolean => name === embeddingOutput;

/** Checked, in present operators. */
export const readied = (model: Model): Model => upgradeOpset(checkModel(model));

/** A float output by its name, or the only one there is beside an embedding. */
export function findOutput(model: Model, name: string | undefined, what: string): ValueInfo {
  const outputs = model.graph.outputs.filter((output) => (name === undefined ? output.type === 'float32' && !keepEmbedding(output) : output.name === name));
  const [output] = outputs;
  if (output !== undefined && outputs.length === 1 && output.type === 'float32') return output;
  const all = model.graph.outputs.map(({ name: each, type, dims }) => `${each} ${type} [${dims.join(', ')}]`).join('; ');
  throw refuse(`its outputs are ${all}`, `Name the float32 output that holds ${what}`);
}

/** As declared; where the file leaves something open but the batch, as it follows for a batch of one. */
export function dimsOf(model: Model, output: ValueInfo): readonly Dimension[] {
  if (output.anyShape !== true && output.dims.length > 0 && output.dims.slice(1).every((dim) => typeof dim === 'number')) return output.dims;
  const batches = model.graph.inputs.flatMap(({ dims: [batch] }) => (typeof batch === 'string' ? [[batch, 1] as const] : []));
  const inferred = inferModel(model, { tolerant: true, dimensions: Object.fromEntries(batches) }).types.get(output.name)?.dims;
  return inferred === undefined ? output.dims : ['N', ...inferred.slice(1)];
}

export interface ProbabilityOptions {
  /** The output with a score for each class; the only one unless told. */
  readonly output?: string;
  /** What the output holds. Logits are also found before a softmax that makes it. */
  readonly holds?: 'logits' | 'probabilities';
  readonly temperature?: number;
  /** So many of the most probable classes as `labels` and their `scores`, the best first. */
  readonly top?: number;
  /** Whether all probabilities are put out as well; without `top` they always are. */
  readonly all?: boolean;
}

const least = 1e-7;

/** A classifier that answers with `probabilities` that mean what they say, or with the best few of them. */
export function withProbabilities(original: Model, options: ProbabilityOptions = {}): Model {
  const { temperature = 1, top } = options;
  checkTemperature(temperature);
  const model = readied(original);
  const source = findOutput(model, options.output, 'a score for each class');
  const dims = dimsOf(model, source);
  const [batch = 'N', columns, ...rest] = dims;
  if (typeof columns !== 'number' || rest.some((dim) => dim !== 1))
    throw refuse(`${source.name} is [${dims.join(', ')}]`, 'A classifier answers with [N, classes]');
  const classes = Math.max(2, columns);
  if (top !== undefined && !(Number.isInteger(top) && top >= 1 && top <= classes))
    throw refuse(`the best ${top} of ${classes} classes`, `From 1 to ${classes}`);
  const all = options.all === true || top === undefined;
  const makes = [...(all ? [probabilitiesOutput] : []), ...(top === undefined ? [] : [labelsOutput, scoresOutput])];
  return extendModel(model, { stem: 'probabilities', makes, keep: keepEmbedding }, (tools) => {
    const logits = logitsOf(model, source.name, options.holds, columns, tools);
    const flat = rest.length === 0 ? logits : tools.add('Flatten', [logits], { axis: int(1) });
    const scaled = temperature === 1 ? flat : tools.add('Mul', [flat, tools.number(1 / temperature)]);
    const probabilities = columns === 1 ? ofTwo(scaled, tools) : tools.add('Softmax', [scaled], { axis: int(-1) });
    if (top !== undefined) {
      const [scores = '', labels = ''] = tools.several('TopK', [probabilities, tools.whole([top])], 2, { axis: int(-1) });
      tools.output(labelsOutput, 'int64', [batch, top], labels);
      tools.output(scoresOutput, 'float32', [batch, top], scores);
    }
    if (all) tools.output(probabilitiesOutput, 'float32', [batch, classes], probabilities);
  });
}

export function checkTemperature(temperature: number): void {
  if (!(temperature > 0 && temperature < Infinity)) throw refuse(`a temperature of ${temperature}`, 'It divides scores, and is more than 0');
}

function ofTwo(logit: string, { add, number }: GraphTools): string {
  const second = add('Sigmoid', [logit]);
  return add('Concat', [add('Sub', [number(1), second]), second], { axis: int(1) });
}

const isSoftmax = ({ operator, domain }: Node): boolean => domain === '' && (operator === 'Softmax' || operator === 'LogSoftmax');

/** What the probabilities were made of, or their logarithms, which are as good. */
function logitsOf(model: Model, output: string, holds: ProbabilityOptions['holds'], columns: number, { at, add, number }: GraphTools): string {
  if (holds === 'logits') return at(output);
  let maker = makerOf(model, output);
  while (maker?.operator === 'Identity') maker = makerOf(model, maker.inputs[0] ?? '');
  const isProbability = maker !== undefined && (columns === 1 ? maker.operator === 'Sigmoid' : isSoftmax(maker));
  if (maker !== undefined && isProbability) return at(maker.inputs[0] ?? '');
  if (holds !== 'probabilities') return at(output);
  const clipped = add('Clip', [at(output), number(least), number(1 - least)]);
  const logarithm = add('Log', [clipped]);
  return columns === 1 ? add('Sub', [logarithm, add('Log', [add('Sub', [number(1), clipped])])]) : logarithm;
}

export interface ClassMapOptions {
  /** The output [N, classes, height, width]; the only one unless told. */
  readonly output?: string;
}

/** A network that scores every pixel answers with the best class of each: a byte where 256 are enough. */
export function withClassMap(original: Model, { output: wanted }: ClassMapOptions = {}): Model {
  const model = readied(original);
  const source = findOutput(model, wanted, 'a score for each class and pixel');
  const dims = dimsOf(model, source);
  const [batch = 'N', classes, ...place] = dims;
  if (dims.length !== 4) throw refuse(`${source.name} is [${dims.join(', ')}]`, 'Maps of scores are [N, classes, height, width]');
  const isSmall = typeof classes === 'number' && classes <= 256;
  return extendModel(model, { stem: 'classes', makes: [classMapOutput], keep: keepEmbedding }, ({ at, add, output }) => {
    const best = add('ArgMax', [at(source.name)], { axis: int(1), keepdims: int(0) });
    const type = isSmall ? 'uint8' : 'int32';
    output(classMapOutput, type, [batch, ...place], add('Cast', [best], { to: int(isSmall ? 2 : 6) }));
  });
}
