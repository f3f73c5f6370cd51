import { ints, longs, numberAttribute, numbersAttribute, textAttribute, type Node } from '../../onnx/graph.ts';
import { nodeOf, type RewriteRule, type Surroundings } from './rewriter.ts';

const axesOf = (node: Node, around: Surroundings): number[] | undefined => {
  const input = node.inputs[1] ?? '';
  if (input === '') return node.attributes['axes'] === undefined ? undefined : [...numbersAttribute(node, 'axes', [])];
  const tensor = around.constant(input);
  return tensor === undefined ? undefined : Array.from(tensor.data as BigInt64Array, Number);
};

export const meanToPool: RewriteRule = {
  words: 'mean over height and width became GlobalAveragePool',
  operators: ['ReduceMean'],
  apply: (node, around) => {
    const [input = ''] = node.inputs;
    const [output = ''] = node.outputs;
    const type = around.type(input);
    const axes = axesOf(node, around)?.map((axis) => (axis < 0 ? axis + 4 : axis));
    if (type?.type !== 'float32' || type.dims.length !== 4 || axes?.toSorted().join() !== '2,3') return undefined;
    if (numberAttribute(node, 'keepdims', 1) === 1) return [nodeOf('GlobalAveragePool', [input], output)];
    const pooled = around.fresh(`${output}.pooled`);
    return [nodeOf('GlobalAveragePool', [input], pooled), nodeOf('Squeeze', [pooled, around.store('axes', longs([2, 3]))], output)];
  },
};

/** Zeros around the picture, as a Conv can add itself: how many on each side, all starts before all ends. */
function zeroPads(pad: Node, around: Surroundings): number[] | undefined {
  const [, padsName = '', valueName = '', axesName = ''] = pad.inputs;
  if (textAttribute(pad, 'mode', 'constant') !== 'constant' || axesName !== '') return undefined;
  if (valueName !== '' && around.number(valueName) !== 0) return undefined;
  const pads = Array.from((around.constant(padsName)?.data ?? []) as ArrayLike<number | bigint>, Number);
  const rank = pads.length / 2;
  if (rank < 3 || pads.some((count) => count < 0) || [0, 1, rank, rank + 1].some((place) => pads[place] !== 0)) return undefined;
  return [...pads.slice(2, rank), ...pads.slice(rank + 2)];
}

export const padsOfConv: RewriteRule = {
  words: 'Pad with zeros became pads of the Conv that follows',
  operators: ['Conv'],
  apply: (node, around) => {
    const pad = around.maker(node.inputs[0] ?? '');
    if (pad?.operator !== 'Pad' || pad.domain !== '' || textAttribute(node, 'auto_pad', 'NOTSET') !== 'NOTSET') return undefined;
    const more = zeroPads(pad, around);
    if (more === undefined) return undefined;
    const pads = numbersAttribute(node, 'pads', []);
    return [
      {
        ...node,
        inputs: [pad.inputs[0] ?? '', ...node.inputs.slice(1)],
        attributes: { ...node.attributes, pads: ints(more.map((count, side) => count + (pads[side] ?? 0))) },
      },
    ];
  },
};
