import { frameBytes, frameChannels, frameHeight, frameWidth, partKinds } from '@serin/inference/bin-scene/parameters';
import { detectionFields } from '@serin/inference/detections';
import { manifest as manifestSchema } from '@serin/protocol/bundle/manifest';
import { sha256, toBase64 } from '@serin/protocol/digest';
import type { LoadableBundle } from '@serin/device/ports';

/** Just enough protobuf to write a small ONNX file by hand. */
const utf8 = new TextEncoder();

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) | 128);
  }
}

type Body = readonly number[] | Uint8Array;
const block = (field: number, body: Body): number[] => [...varint(field * 8 + 2), ...varint(body.length), ...body];
const text = (field: number, value: string): number[] => block(field, utf8.encode(value));
const number = (field: number, value: number): number[] => [...varint(field * 8), ...varint(value)];

const elementTypes = { float32: 1, uint8: 2, int64: 7 } as const;
type ElementType = keyof typeof elementTypes;

const node = (operator: string, inputs: string[], output: string, attributes: number[] = []): number[] =>
  block(1, [...inputs.flatMap((name) => text(1, name)), ...text(2, output), ...text(4, operator), ...attributes]);
const integerAttribute = (name: string, value: number): number[] => block(5, [...text(1, name), ...number(3, value), ...number(20, 2)]);
const initializer = (name: string, type: ElementType, shape: number[], data: ArrayBufferView): number[] =>
  block(5, [
    ...shape.flatMap((size) => number(1, size)),
    ...number(2, elementTypes[type]),
    ...text(8, name),
    ...block(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
  ]);
const value = (field: number, name: string, type: ElementType, shape: (number | string)[]): number[] => {
  const dimensions = shape.flatMap((size) => block(1, typeof size === 'number' ? number(1, size) : text(2, size)));
  return block(field, [...text(1, name), ...block(2, block(1, [...number(1, elementTypes[type]), ...block(2, dimensions)]))]);
};

function modelOf(graph: number[]): Uint8Array {
  return Uint8Array.from([...number(1, 8), ...block(7, graph), ...block(8, number(2, 13))]);
}

/** `y = x + x`, float32, one free dimension. */
export const doubler = (): Uint8Array =>
  modelOf([...node('Add', ['x', 'x'], 'y'), ...text(2, 'doubler'), ...value(11, 'x', 'float32', ['n']), ...value(12, 'y', 'float32', ['n'])]);

/** Takes camera frames and detects the same one object (label, x, y, angle, score) on each, whatever is on them. */
export function stubbornDetector(object: readonly number[]): Uint8Array {
  const rows = [...object, ...Array.from({ length: detectionFields }, () => 0)];
  return modelOf([
    ...node('Cast', ['frame'], 'real', integerAttribute('to', elementTypes.float32)),
    ...node('ReduceSum', ['real', 'axes'], 'sum', integerAttribute('keepdims', 0)),
    ...node('MatMul', ['sum', 'weights'], 'product'),
    ...node('Add', ['product', 'rows'], 'flat'),
    ...node('Reshape', ['flat', 'shape'], 'detections'),
    ...text(2, 'stubborn'),
    ...initializer('axes', 'int64', [2], BigInt64Array.of(1n, 2n)),
    ...initializer('weights', 'float32', [frameChannels, rows.length], new Float32Array(frameChannels * rows.length)),
    ...initializer('rows', 'float32', [rows.length], Float32Array.from(rows)),
    ...initializer('shape', 'int64', [3], BigInt64Array.of(-1n, 2n, BigInt(detectionFields))),
    ...value(11, 'frame', 'uint8', ['n', frameHeight, frameWidth, frameChannels]),
    ...value(12, 'detections', 'float32', ['n', 2, detectionFields]),
  ]);
}

/** A bundle around such a model; `promised` is what its golden vector wants it to detect. */
export async function stubbornBundle(version: number, object: readonly number[], promised = object): Promise<LoadableBundle> {
  const bytes = stubbornDetector(object);
  const digest = await sha256(utf8.encode(`manifest ${version} ${object.join()}`));
  const manifest = manifestSchema.parse({
    v: 1,
    fleet: 'hall',
    model: 'picker',
    version,
    createdAt: 1,
    minAgent: '0.1.0',
    task: 'detection',
    inputs: [{ name: 'frame', dtype: 'uint8', shape: [-1, frameHeight, frameWidth, frameChannels] }],
    outputs: [{ name: 'detections', dtype: 'float32', shape: [-1, 2, detectionFields] }],
    labels: partKinds.map(({ label }) => label),
    files: [{ role: 'model', variant: 'fp32', path: 'model.onnx', size: bytes.length, sha256: await sha256(bytes), chunkSize: 65_536, chunkRoot: digest }],
    metrics: {},
  });
  const [model] = manifest.files;
  if (model === undefined) throw new Error('a bundle has a model');
  const frame = toBase64(new Uint8Array(frameBytes).fill(90));
  return {
    digest,
    manifest,
    variant: 'fp32',
    model,
    modelBytes: () => Promise.resolve(bytes),
    golden: {
      v: 1,
      tolerance: 1e-4,
      vectors: [
        {
          inputs: { frame: { shape: [1, frameHeight, frameWidth, frameChannels], dtype: 'uint8', data: frame } },
          outputs: { detections: [...promised, ...promised.map(() => 0)] },
        },
      ],
    },
    profile: undefined,
  };
}
