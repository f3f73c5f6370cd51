import type { Attribute, AttributeValue } from './graph.ts';

/** What an attribute of the standard's operators must look like, whichever of them carries it. */
interface AttributeRule {
  readonly kind: Attribute['kind'];
  readonly allows?: (value: number, rankMax: number) => boolean;
  /** What `allows` asks for, in words. */
  readonly words?: string;
}

const sizeMax = 2 ** 31 - 1;
/** Numbers an attribute lists at most for each dimension: a begin and an end. */
const perDimension = 2;

const positive = { allows: (value: number) => value >= 1 && value <= sizeMax, words: 'must be whole numbers from 1 on' };
const natural = { allows: (value: number) => value >= 0 && value <= sizeMax, words: 'must be whole numbers from 0 on' };
const bounded = { allows: (value: number) => Math.abs(value) <= sizeMax, words: 'is out of all proportion' };
const anAxis = { allows: (value: number, rankMax: number) => value >= -rankMax && value < rankMax, words: 'names no dimension' };
const flag = { allows: (value: number) => value === 0 || value === 1, words: 'must be 0 or 1' };
/** TensorProto.DataType has grown with every release of the standard; what a type means is for others to say. */
const typeCode = { allows: (value: number) => value >= 1 && value <= 64, words: 'names no element type' };

const rules: Readonly<Record<string, AttributeRule>> = {
  kernel_shape: { kind: 'ints', ...positive },
  strides: { kind: 'ints', ...positive },
  dilations: { kind: 'ints', ...positive },
  pads: { kind: 'ints', ...bounded },
  output_padding: { kind: 'ints', ...natural },
  output_shape: { kind: 'ints', ...positive },
  perm: { kind: 'ints', ...natural },
  axes: { kind: 'ints', ...anAxis },
  split: { kind: 'ints', ...natural },
  axis: { kind: 'int', ...anAxis },
  group: { kind: 'int', ...positive },
  blocksize: { kind: 'int', ...positive },
  hidden_size: { kind: 'int', ...positive },
  to: { kind: 'int', ...typeCode },
  num_outputs: { kind: 'int', allows: (value) => value >= 1 && value <= 65536, words: 'must be a whole number from 1 to 65536' },
  value_int: { kind: 'int' },
  value_ints: { kind: 'ints' },
  value_float: { kind: 'float' },
  value_floats: { kind: 'floats' },
  batch_dims: { kind: 'int', ...anAxis },
  equation: { kind: 'string' },
  keepdims: { kind: 'int', ...flag },
  transA: { kind: 'int', ...flag },
  transB: { kind: 'int', ...flag },
  alpha: { kind: 'float' },
  beta: { kind: 'float' },
  epsilon: { kind: 'float' },
  momentum: { kind: 'float' },
  auto_pad: { kind: 'string' },
  mode: { kind: 'string' },
  coordinate_transformation_mode: { kind: 'string' },
  nearest_mode: { kind: 'string' },
};

/** Whose `value` is a tensor; the Pad of old had a number by that name. */
const constants: ReadonlySet<string> = new Set(['Constant', 'ConstantOfShape']);

/** Lists that grow with a value's size, not with its rank. */
const longLists: ReadonlySet<string> = new Set(['split']);

/** What is wrong with an attribute of a standard operator, in words; undefined when nothing is. */
export function attributeFault(operator: string, name: string, { kind, value }: Attribute, rankMax: number): string | undefined {
  if (name === 'value' && constants.has(operator)) return kind === 'tensor' ? undefined : `must be of kind tensor, not ${kind}`;
  const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
  if (rule === undefined) return undefined;
  if (kind !== rule.kind) return `must be of kind ${rule.kind}, not ${kind}`;
  const numbers = numbersOf(value);
  if (!longLists.has(name) && numbers.length > perDimension * rankMax) return `lists ${numbers.length} numbers`;
  const wrong = numbers.find((each) => (kind === 'int' || kind === 'ints') && rule.allows?.(each, rankMax) === false);
  if (wrong !== undefined) return `${rule.words ?? 'is wrong'}, found ${wrong}`;
  if (name === 'perm' && new Set(numbers).size < numbers.length) return 'names a dimension twice';
  if (name === 'perm' && numbers.some((each) => each >= numbers.length)) return 'names a dimension that is not there';
  return undefined;
}

function numbersOf(value: AttributeValue): readonly number[] {
  if (typeof value === 'number') return [value];
  return Array.isArray(value) && typeof value[0] === 'number' ? (value as readonly number[]) : [];
}
