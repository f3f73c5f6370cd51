import { z } from 'zod/mini';
import { bootId, count, digest, modelName, timestampMs, versionNumber } from '../ids.ts';
import { binsMax, objectsPerFrameMax, statisticsPerWindowMax, windowsPerBatchMax } from '../limits.ts';
import { classConfidenceCellsMax, embeddingMoments, statisticName } from '../bundle/profile.ts';
import { envelope } from './envelope.ts';

/** Latency sketch on the wire: DDSketch, merge is addition. */
export const latencySketch = z.object({
  alpha: z.number().check(z.gt(0), z.lt(1)),
  /** Index of the first bucket. */
  offset: z.int(),
  counts: z.array(count).check(z.maxLength(4096)),
  zero: count,
  count,
  sum: z.number(),
  min: z.number(),
  max: z.number(),
});

export const windowCounters = z.object({
  /** Frames the source delivered. */
  frames: count,
  run: count,
  /** Passed over because a newer frame was waiting. */
  skipped: count,
  failed: count,
  deadlineMissed: count,
  nonFinite: count,
  /** Frames whose outcome became known (a person, the device itself, a simulated annotator), and how many were wrong. */
  judged: count,
  wrong: count,
});
export type WindowCounters = z.infer<typeof windowCounters>;

export const windowStatistic = z.object({
  name: statisticName,
  /** Counts in the profile's frozen bins, `[under, bins…, over, nan]`. */
  counts: z.array(count).check(z.maxLength(binsMax + 3)),
  sum: z.number(),
  sumSquares: z.number(),
});

/** What one model saw in one window. Identified by (device, boot, seq): arriving twice changes nothing. */
export const telemetryWindow = z.object({
  boot: bootId,
  seq: count,
  model: modelName,
  version: versionNumber,
  manifest: digest,
  from: timestampMs,
  to: timestampMs,
  counters: windowCounters,
  latencyMs: latencySketch,
  statistics: z.array(windowStatistic).check(z.maxLength(statisticsPerWindowMax)),
  /** Predictions per label index: one a frame of a classifier, one an object of a detector. */
  labels: z.array(count).check(z.maxLength(10_000)),
  /** Class by confidence, in tenths, row by row: counts of predictions. Of models whose profile has it. */
  classConfidence: z.optional(z.array(count).check(z.maxLength(classConfidenceCellsMax))),
  /** Moments of the embedding's random features: how many, their sum, and the sum of their squared lengths. */
  embedding: z.optional(embeddingMoments),
});
export type TelemetryWindow = z.infer<typeof telemetryWindow>;

/** A batch of windows, CBOR. Acknowledged by the application once committed; only then the device forgets them. */
export const telemetryBatch = z.object({
  ...envelope,
  /** Windows dropped from the spool since the device was made. */
  dropped: count,
  windows: z.array(telemetryWindow).check(z.minLength(1), z.maxLength(windowsPerBatchMax)),
});
export type TelemetryBatch = z.infer<typeof telemetryBatch>;

/** Where a label came from; shown wherever it is used. */
export const labelOrigin = z.enum(['person', 'device-outcome', 'importer', 'simulated-annotator']);
export type LabelOrigin = z.infer<typeof labelOrigin>;

/** Something on a frame: its class, its centre in pixels of the frame, the way it points in radians. */
const placed = { label: count, x: z.number(), y: z.number(), angle: z.number() };
const detectedObject = z.object({ ...placed, score: z.number() });
/** `visible`: the share of it that nothing covers, where that is known. */
const trueObject = z.object({ ...placed, visible: z.optional(z.number()) });

/** Of a classifier, or of a detector: every object at or above its score floor, the best first. */
const predicted = z.union([
  z.object({ label: count, confidence: z.number() }),
  z.object({ objects: z.array(detectedObject).check(z.maxLength(objectsPerFrameMax)) }),
]);
export type Predicted = z.infer<typeof predicted>;

/** What is really on a frame, and who said so. */
export const truth = z.union([
  z.object({ label: count, origin: labelOrigin }),
  z.object({ objects: z.array(trueObject).check(z.maxLength(objectsPerFrameMax)), origin: labelOrigin }),
]);
export type Truth = z.infer<typeof truth>;

/** One frame a device sends along, only where its orders allow it. CBOR. */
export const frameSample = z.object({
  ...envelope,
  model: modelName,
  version: versionNumber,
  shape: z.tuple([z.int(), z.int(), z.int()]),
  pixels: z.instanceof(Uint8Array),
  predicted,
  truth: z.optional(truth),
});
export type FrameSample = z.infer<typeof frameSample>;

/** Server to device: these windows are committed. */
export const telemetryAck = z.object({
  v: z.literal(1),
  windows: z.array(z.tuple([bootId, count])).check(z.maxLength(windowsPerBatchMax)),
});
export type TelemetryAck = z.infer<typeof telemetryAck>;
