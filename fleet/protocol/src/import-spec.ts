import { z } from 'zod/mini';
import { gateSettings, quantiseSettings } from './pipeline.ts';
import { checkContent, readJson } from './strict-file.ts';

/**
 * What a person says of a model that was made elsewhere: how pixels become its input and what its output means. Data only, so
 * that it lies beside the model in a repository and `serin model push --spec` takes it as it is.
 */
const side = z.int().check(z.gte(1), z.lte(8192));
const threeAtMost = z.array(z.number()).check(z.minLength(1), z.maxLength(3));
const share = z.number().check(z.gte(0), z.lte(1));

/** Of a model that takes floats. Raw frames come in as bytes, and all this happens in the graph. */
export const importInput = z.strictObject({
  /** Frames as the camera gives them; as the network wants them where nothing is said. */
  width: z.optional(side),
  height: z.optional(side),
  channels: z.optional(z.union([z.literal(1), z.literal(3)])),
  /** How a frame of another size becomes one of the network's. */
  fit: z._default(z.enum(['stretch', 'letterbox']), 'stretch'),
  /** What the network was trained on. Frames are RGB. */
  colour: z._default(z.enum(['rgb', 'bgr']), 'rgb'),
  /** (pixel * scale - mean) / deviation, of every channel. */
  scale: z._default(z.number().check(z.gt(0)), 1 / 255),
  mean: z._default(threeAtMost, [0]),
  deviation: z._default(threeAtMost.check(z.refine((all) => all.every((one) => one > 0), 'each must be above 0')), [1]),
});
export type ImportInput = z.infer<typeof importInput>;

export const importAnswer = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('classes'),
    output: z.optional(z.string().check(z.minLength(1), z.maxLength(128))),
    /** Whether a softmax is still to come; found out from the values where nothing is said. */
    logits: z.optional(z.boolean()),
  }),
  z.strictObject({
    kind: z.literal('boxes'),
    output: z.optional(z.string().check(z.minLength(1), z.maxLength(128))),
    /** Where boxes and scores are two outputs: that of the scores. */
    scores: z.optional(z.string().check(z.minLength(1), z.maxLength(128))),
    /** One output [N, 4 + classes, boxes] or [N, boxes, 4 + classes], or boxes [N, boxes, 4] apart from scores [N, boxes, classes]. */
    form: z._default(z.enum(['fields-first', 'boxes-first', 'apart']), 'fields-first'),
    /** After the four numbers of a box comes whether there is anything. */
    objectness: z._default(z.boolean(), false),
    corners: z._default(z.enum(['cxcywh', 'xyxy', 'yxyx']), 'cxcywh'),
    /** Of the network's input, or shares of it. */
    unit: z._default(z.enum(['pixels', 'shares']), 'pixels'),
    /** Whether a sigmoid is still to come. */
    logits: z._default(z.boolean(), false),
    overlapMax: z._default(share, 0.45),
    scoreMin: z._default(share, 0.25),
    rows: z._default(z.int().check(z.gte(1), z.lte(64)), 32),
  }),
  /** Numbers that only the application understands. */
  z.strictObject({ kind: z.literal('tensors') }),
]);
export type ImportAnswer = z.infer<typeof importAnswer>;

export const importSpec = z.strictObject({
  $schema: z.optional(z.string().check(z.maxLength(2048))),
  v: z._default(z.literal(1), 1),
  seed: z._default(z.int().check(z.gte(0), z.lte(4_294_967_295)), 1),
  /** Names of the classes, in the order of the model's answers. */
  labels: z._default(z.array(z.string().check(z.minLength(1), z.maxLength(128))).check(z.maxLength(10_000)), []),
  /** Left out for a model that takes uint8 NHWC frames already. */
  input: z.optional(importInput),
  /** Found out from the outputs where nothing is said. */
  answer: z.optional(importAnswer),
  /** Whether it also puts out an embedding, by which drift is measured; of models that answer frames. */
  embedding: z._default(z.boolean(), true),
  quantise: z._default(z.union([z.enum(['auto', 'never']), quantiseSettings]), 'auto'),
  gate: z.optional(gateSettings),
});
export type ImportSpec = z.infer<typeof importSpec>;
export type ImportSpecInput = z.input<typeof importSpec>;

const importSpecBytesMax = 1024 * 1024;

/** What a text says of a model. Throws IMPORT_SPEC_INVALID with every field that is wrong. */
export const readImportSpec = (text: string): ImportSpec =>
  checkContent(importSpec, readJson(text, 'IMPORT_SPEC_INVALID', importSpecBytesMax), 'IMPORT_SPEC_INVALID');
