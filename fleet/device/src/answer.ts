import { detectionFields, detectionScoreMin, meanScore, readDetections, type Detection } from '@serin/inference/detections';
import { embeddingOutput } from '@serin/inference/embedding';
import { isRight } from '@serin/inference/judgement';
import { readProbabilities, type Classification } from '@serin/inference/postprocess';
import type { Manifest } from '@serin/protocol/bundle/manifest';
import { SerinError } from '@serin/protocol/errors';
import { objectsPerFrameMax } from '@serin/protocol/limits';
import type { Predicted, Truth } from '@serin/protocol/messages/telemetry';
import type { EngineTensor } from './ports.ts';

/** What a detector saw on one frame, best score first. */
export interface Detected {
  readonly detections: readonly Detection[];
  /** Mean score of the detections. */
  readonly confidence: number;
  readonly finite: boolean;
}

export type Answer = Classification | Detected;

type AnswerSpec = Pick<Manifest, 'task' | 'labels' | 'outputs'>;
const outputNames: Partial<Record<Manifest['task'], string>> = { 'image-classification': 'probabilities', detection: 'detections' };

/** The output that holds the answer; classifiers exported elsewhere may call theirs as they like. */
export function answerOutput({ task, outputs }: AnswerSpec): string {
  const named =
    outputs.find(({ name }) => name === outputNames[task]) ?? (task === 'detection' ? undefined : outputs.find(({ name }) => name !== embeddingOutput));
  if (named === undefined) throw new SerinError('BUNDLE_MANIFEST_INVALID', { detail: `no output "${outputNames[task]}"` });
  if (task === 'detection' && named.shape.at(-1) !== detectionFields)
    throw new SerinError('BUNDLE_MANIFEST_INVALID', { detail: `rows of "${named.name}" are not label, x, y, angle and score` });
  return named.name;
}

export function readAnswer({ task, labels }: AnswerSpec, output: EngineTensor | undefined): Answer {
  if (output === undefined) throw new SerinError('MODEL_INVALID', { detail: 'the promised output is missing' });
  const { data } = output;
  if (data instanceof BigInt64Array) throw new SerinError('MODEL_INVALID', { detail: 'the answer is in 64-bit integers' });
  if (task === 'detection') return readObjects(data, labels.length);
  if (data.length < labels.length) throw new SerinError('MODEL_INVALID', { detail: `${data.length} values for ${labels.length} labels` });
  return readProbabilities(data, labels.length);
}

function readObjects(data: Exclude<EngineTensor['data'], BigInt64Array>, labels: number): Detected {
  for (const value of data) if (!Number.isFinite(value)) return { detections: [], confidence: 0, finite: false };
  const detections = readDetections(data, Math.floor(data.length / detectionFields), 0, detectionScoreMin).slice(0, objectsPerFrameMax);
  const stranger = detections.find(({ label }) => !Number.isInteger(label) || label < 0 || label >= labels);
  if (stranger !== undefined) throw new SerinError('MODEL_INVALID', { detail: `label ${stranger.label} of ${labels}` });
  return { detections, confidence: meanScore(detections), finite: true };
}

/** What was seen, and how sure the model is of it. */
export interface Seen {
  readonly label: number;
  readonly score: number;
}

/** The answer of a classifier, every object of a detector; nothing where the answer is none. */
export const seenIn = (answer: Answer): readonly Seen[] =>
  'detections' in answer ? answer.detections : answer.finite ? [{ label: answer.label, score: answer.confidence }] : [];

/** Of an answered input: what a model's graph made of it beside the answer. */
export const readEmbedding = (outputs: Readonly<Record<string, EngineTensor>>): Float32Array | undefined => {
  const data = outputs[embeddingOutput]?.data;
  return data instanceof Float32Array ? data : undefined;
};

export const predictedOf = (answer: Answer): Predicted =>
  'detections' in answer ? { objects: [...answer.detections] } : { label: answer.label, confidence: answer.confidence };

/** Undefined where nobody knows. An answer that is no answer is bad already: counting it as wrong too would weigh the frame twice. */
export const isRightAnswer = (answer: Answer, truth: Truth | undefined): boolean | undefined =>
  truth === undefined || !answer.finite ? undefined : isRight(predictedOf(answer), truth);

/** As much of it as a sample may carry. */
export const boundTruth = (truth: Truth): Truth => ('objects' in truth ? { ...truth, objects: truth.objects.slice(0, objectsPerFrameMax) } : truth);
