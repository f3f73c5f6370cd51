import { SerinError } from '@serin/protocol/errors';

import { checkModel } from '../onnx/check.ts';
import { floats, int, ints, longs, numbersAttribute, scalar, text, type Attribute, type Model, type Node, type Tensor, type ValueInfo } from '../onnx/graph.ts';
import { removeDeadCode } from '../onnx/passes/remove-dead-code.ts';
import { upgradeOpset } from '../onnx/passes/upgrade-opset.ts';
import { createNames, renameReads, valuesRead } from '../onnx/scope.ts';
import { nameNodes } from '../quantise/prepare.ts';
import { foldColours, type Colours, type Folded, type Padding } from './first-layer.ts';

export const imageInput = 'image';

export interface ImageInputOptions {
  /** What a device hands over: raw bytes, row by row; of three channels, red first. */
  readonly frame: { readonly width: number; readonly height: number; readonly channels: 1 | 3 };
  /** Which input is the picture, where there are several of four dimensions. */
  readonly input?: string;
  /** What the network takes, where its own input leaves it open; the size of the frame unless told. */
  readonly size?: { readonly width: number; readonly height: number };
  /** Where its shape could be read either way. */
  readonly layout?: 'nchw' | 'nhwc';
  /** `stretch` ignores the proportions; `letterbox` keeps them and fills up; `crop` keeps them and cuts off. */
  readonly fit?: 'stretch' | 'letterbox' | 'crop';
  /** Of the largest middle part with the network's proportions, so much of its sides: 224 / 256 for many classifiers. Only with `crop`. */
  readonly share?: number;
  readonly filter?: 'bilinear' | 'nearest';
  /** Grey level that a letterbox is filled up with. */
  readonly border?: number;
  /** Order in which the network wants colours. */
  readonly colours?: 'rgb' | 'bgr';
  /** The network takes (grey level * scale - mean) / deviation; one number, or one for each of its channels. */
  readonly scale?: number;
  readonly mean?: number | readonly number[];
  readonly deviation?: number | readonly number[];
  /** How exact the zeros are that the first layer pads with; `near` is faster in 8 bits. */
  readonly padding?: Padding;
}

/** Where the frame lies in the picture the network sees: x there is x of the frame * scaleX + left. */
export interface Placement {
  /** Of the network's picture. */
  readonly width: number;
  readonly height: number;
  readonly scaleX: number;
  readonly scaleY: number;
  readonly left: number;
  readonly top: number;
}

export interface WithImageInput {
  readonly model: Model;
  readonly placement: Placement;
  /** The normalisation is part of the first layer's weights. */
  readonly folded: boolean;
}

const sideMax = 16_384;
/** Rec. 601. */
const luma = [0.299, 0.587, 0.114] as const;

const refuse = (detail: string, hint: string): SerinError => new SerinError('MODEL_UNSUPPORTED', { detail, hint });

/**
 * The model of float pictures as one of raw frames: uint8 [N, height, width, channels] in, everything a program would have to
 * do to them before in the graph.
 */
export function withImageInput(original: Model, options: ImageInputOptions): WithImageInput {
  const upgraded = upgradeOpset(checkModel(original));
  const { model, picture } = channelsFirst(upgraded, findPicture(upgraded, options));
  const placed = place(options, picture);
  const colours = coloursOf(options, picture.channels);
  const folded = foldColours(model, picture.name, colours, options.padding);
  return { model: assemble(folded?.model ?? model, picture, placed, options, colours, folded), placement: placed.placement, folded: folded !== undefined };
}

interface Picture {
  readonly name: string;
  readonly batch: ValueInfo['dims'][number];
  readonly channels: 1 | 3;
  readonly width: number;
  readonly height: number;
  /** Its readers want the channels last. */
  readonly isLast: boolean;
}

function findPicture({ graph }: Model, { input: wanted, size, layout, frame }: ImageInputOptions): Picture {
  if (![frame.width, frame.height].every((side) => Number.isInteger(side) && side >= 1 && side <= sideMax))
    throw refuse(`frames of ${frame.width}x${frame.height}`, `Sides from 1 to ${sideMax} pixels`);
  const found = graph.inputs.filter(
    ({ name, type, dims }) => !graph.initialisers.has(name) && (wanted === undefined ? type === 'float32' && dims.length === 4 : name === wanted),
  );
  const [input] = found;
  const inputs = graph.inputs.map(({ name, type, dims }) => `${name} ${type} [${dims.join(', ')}]`).join('; ');
  if (input === undefined || found.length > 1 || input.type !== 'float32' || input.dims.length !== 4)
    throw refuse(`its inputs are ${inputs}`, 'Name the float32 input of four dimensions that takes the picture');
  const [batch = 'N', ...sizes] = input.dims;
  const isChannels = (dim: ValueInfo['dims'][number] | undefined): dim is 1 | 3 => dim === 1 || dim === 3;
  const isLast = layout === undefined ? !isChannels(sizes[0]) && isChannels(sizes[2]) : layout === 'nhwc';
  const channels = isLast ? sizes[2] : sizes[0];
  if (!isChannels(channels)) throw refuse(`${input.name} is [${input.dims.join(', ')}]`, 'Pictures have 1 or 3 channels, as the second dimension or the last');
  const [height, width] = (isLast ? sizes.slice(0, 2) : sizes.slice(1)).map((dim, axis) => {
    const told = axis === 0 ? size?.height : size?.width;
    const own = typeof dim === 'number' ? dim : undefined;
    if (own !== undefined && told !== undefined && own !== told)
      throw refuse(`${input.name} is [${input.dims.join(', ')}], not of the size told`, 'Leave the size out');
    return own ?? told ?? (axis === 0 ? frame.height : frame.width);
  }) as [number, number];
  if (![width, height].every((side) => Number.isInteger(side) && side >= 1 && side <= sideMax))
    throw refuse(`pictures of ${width}x${height}`, `Sides from 1 to ${sideMax} pixels`);
  return { name: input.name, batch, channels, width, height, isLast };
}

/** A picture whose every reader first moves its channels to the front had them better there from the beginning. */
function channelsFirst(model: Model, picture: Picture): { model: Model; picture: Picture } {
  const { graph } = model;
  const readers = graph.nodes.filter((node) => valuesRead(node).includes(picture.name));
  const isMove = (node: Node): boolean => node.operator === 'Transpose' && numbersAttribute(node, 'perm', []).join() === '0,3,1,2';
  const isOpen = graph.outputs.some(({ name }) => name === picture.name || readers.some(({ outputs }) => outputs.includes(name)));
  if (!picture.isLast || isOpen || !readers.every(isMove)) return { model, picture };
  const moved = new Map(readers.map(({ outputs }) => [outputs[0] ?? '', picture.name]));
  const nodes = graph.nodes.filter((node) => !readers.includes(node)).map((node) => renameReads(node, moved));
  return { model: { ...model, graph: { ...graph, nodes } }, picture: { ...picture, isLast: false } };
}

interface Placed {
  readonly placement: Placement;
  /** The part of the frame that is seen. */
  readonly crop: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
  /** What it becomes, inside the network's picture. */
  readonly width: number;
  readonly height: number;
}

function place({ frame, fit = 'stretch', share = 1 }: ImageInputOptions, picture: Picture): Placed {
  const side = (exact: number, max: number): number => Math.min(max, Math.max(1, Math.round(exact)));
  let [width, height] = [picture.width, picture.height];
  const crop = { x: 0, y: 0, width: frame.width, height: frame.height };
  if (fit === 'letterbox') {
    const ratio = Math.min(width / frame.width, height / frame.height);
    [width, height] = [side(frame.width * ratio, width), side(frame.height * ratio, height)];
  }
  if (fit === 'crop') {
    if (!(share > 0 && share <= 1)) throw refuse(`a share of ${share} of the frame`, 'More than 0, at most 1');
    const ratio = Math.min(frame.width / width, frame.height / height) * share;
    [crop.width, crop.height] = [side(width * ratio, frame.width), side(height * ratio, frame.height)];
    [crop.x, crop.y] = [Math.floor((frame.width - crop.width) / 2), Math.floor((frame.height - crop.height) / 2)];
  }
  const [scaleX, scaleY] = [width / crop.width, height / crop.height];
  const left = Math.floor((picture.width - width) / 2) - crop.x * scaleX;
  const top = Math.floor((picture.height - height) / 2) - crop.y * scaleY;
  return { placement: { width: picture.width, height: picture.height, scaleX, scaleY, left, top }, crop, width, height };
}

function coloursOf({ frame, colours = 'rgb', scale = 1 / 255, mean = 0, deviation = 1 }: ImageInputOptions, channels: 1 | 3): Colours {
  const each = (values: number | readonly number[], what: string): number[] => {
    const list = typeof values === 'number' ? Array.from({ length: channels }, () => values) : [...values];
    if (list.length !== channels || !list.every(Number.isFinite))
      throw refuse(`${what} is ${list.join(', ')}`, `One number, or ${channels}, for ${channels} channels`);
    return list;
  };
  const spread = each(deviation, 'the deviation');
  if (!(scale > 0 && scale < Infinity) || !spread.every((value) => value > 0))
    throw refuse('a scale or deviation that is not positive', 'Both are more than 0');
  const row = (channel: number): number[] => {
    if (frame.channels === 1) return [1];
    if (channels === 1) return [...luma];
    const from = colours === 'rgb' ? channel : 2 - channel;
    return [0, 1, 2].map((place) => (place === from ? 1 : 0));
  };
  return {
    matrix: Array.from({ length: channels }, (_, channel) => row(channel)),
    mean: each(mean, 'the mean').map((value) => value / scale),
    gain: spread.map((value) => scale / value),
  };
}

interface Front {
  readonly nodes: Node[];
  readonly initialisers: Map<string, Tensor>;
  /** What the last of them makes. */
  value: string;
  add(operator: string, tensors: readonly Tensor[], attributes?: Record<string, Attribute>): void;
}

function openFront(model: Model, raw: string): Front {
  const fresh = createNames(model.graph);
  const front: Front = {
    nodes: [],
    initialisers: new Map(model.graph.initialisers),
    value: raw,
    add: (operator, tensors, attributes = {}) => {
      const constants = tensors.map((tensor) => {
        const name = tensor.data.length === 0 ? '' : fresh(`${imageInput}/constant`);
        if (name !== '') front.initialisers.set(name, tensor);
        return name;
      });
      const output = fresh(`${imageInput}/${operator.toLowerCase()}`);
      front.nodes.push({ operator, domain: '', name: output, inputs: [front.value, ...constants], outputs: [output], attributes });
      front.value = output;
    },
  };
  return front;
}

function assemble(model: Model, picture: Picture, placed: Placed, options: ImageInputOptions, colours: Colours, folded: Folded | undefined): Model {
  const { graph } = model;
  const { frame } = options;
  if (graph.inputs.some(({ name }) => name === imageInput && name !== picture.name)) throw refuse(`another input is called ${imageInput}`, 'Rename it before');
  const raw = picture.name === imageInput ? imageInput : createNames(graph)(imageInput);
  const front = openFront(model, raw);
  move(front, picture, placed, options);
  if (folded === undefined) normalise(front, colours);
  else if (folded.subtract !== undefined) front.add('Sub', [perChannel(folded.subtract)]);
  if (picture.isLast) front.add('Transpose', [], { perm: ints([0, 2, 3, 1]) });
  const entry: ValueInfo = { name: raw, type: 'uint8', dims: [picture.batch, frame.height, frame.width, frame.channels] };
  const renamed = new Map([[picture.name, front.value]]);
  const inputs = graph.inputs.map((input) => (input.name === picture.name ? entry : input));
  const nodes = [...front.nodes, ...graph.nodes.map((node) => renameReads(node, renamed))];
  return removeDeadCode(checkModel({ ...model, graph: nameNodes({ ...graph, inputs, nodes, initialisers: front.initialisers }) }));
}

/** Bytes as long as they are only picked; floats with the channels first after that. */
function move(front: Front, picture: Picture, placed: Placed, { frame, filter = 'bilinear', border = 114 }: ImageInputOptions): void {
  const { crop, width, height } = placed;
  if (crop.width !== frame.width || crop.height !== frame.height)
    front.add('Slice', [longs([crop.y, crop.x]), longs([crop.y + crop.height, crop.x + crop.width]), longs([1, 2])]);
  const channelsToFront = (): void => front.add('Transpose', [], { perm: ints([0, 3, 1, 2]) });
  const resize = (mode: string, factors: readonly number[]): void =>
    front.add('Resize', [floats([0], []), floats([4], factors)], { mode: text(mode), coordinate_transformation_mode: text('half_pixel') });
  const factors = [exactScale(crop.height, height), exactScale(crop.width, width)];
  const isResized = width !== crop.width || height !== crop.height;
  // The runtime cuts off the fractions of resized bytes, half a grey level on average.
  const isBlended = isResized && filter === 'bilinear';
  if (isResized && !isBlended) resize('nearest', [1, ...factors, 1]);
  if (isBlended) channelsToFront();
  front.add('Cast', [], { to: int(1) });
  if (isBlended) resize('linear', [1, 1, ...factors]);
  else channelsToFront();
  const [beside, below] = [picture.width - width, picture.height - height];
  if (beside === 0 && below === 0) return;
  const [left, top] = [Math.floor(beside / 2), Math.floor(below / 2)];
  front.add('Pad', [longs([0, 0, top, left, 0, 0, below - top, beside - left]), scalar(border)]);
}

const perChannel = (values: readonly number[]): Tensor =>
  values.every((each) => each === values[0]) ? scalar(values[0] ?? 0) : floats([1, values.length, 1, 1], values);

function normalise(front: Front, { matrix, mean, gain }: Colours): void {
  const isPlain = matrix.every((row, channel) => row.length === matrix.length && row.every((share, place) => share === (place === channel ? 1 : 0)));
  if (isPlain) {
    if (mean.some((each) => each !== 0)) front.add('Sub', [perChannel(mean)]);
    if (gain.some((each) => each !== 1)) front.add('Mul', [perChannel(gain)]);
    return;
  }
  const weights = matrix.flatMap((row, channel) => row.map((share) => share * (gain[channel] ?? 1)));
  const bias = mean.map((each, channel) => -each * (gain[channel] ?? 1));
  front.add('Conv', [floats([matrix.length, matrix[0]?.length ?? 0, 1, 1], weights), floats([bias.length], bias)]);
}

/** The runtime multiplies in float32 and rounds down; this one gives the size that is wanted. */
export function exactScale(from: number, to: number): number {
  let scale = Math.fround(to / from);
  const bits = new Uint32Array(1);
  const view = new Float32Array(bits.buffer);
  while (Math.floor(Math.fround(scale * from)) < to) {
    view[0] = scale;
    bits[0] = (bits[0] ?? 0) + 1;
    scale = view[0] ?? scale;
  }
  return scale;
}
