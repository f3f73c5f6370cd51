import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod/mini';
import type { Part } from '@serin/inference/detections';
import { gateVerdict } from '@serin/protocol/bundle/gate';
import { bundleFile, manifest, type BundlePart } from '@serin/protocol/bundle/manifest';
import { SerinError } from '@serin/protocol/errors';
import type { Digest } from '@serin/protocol/ids';
import type { TrainedVersion } from '@serin/models/package/version';
import { writeFileDurably } from '@serin/node/files';

/**
 * A job's folder: everything its child reads and writes. The child never opens the database, so a crash
 * of it leaves nothing but this folder, and a finished result survives a crash of the parent.
 */
export const jobRequest = z.object({
  kind: z.enum(['train', 'retrain', 'spoil', 'pack']),
  /** What it becomes a version of. */
  model: z.optional(z.string()),
  seed: z.int(),
  baseFrames: z.int(),
  epochs: z.int(),
  light: z.object({ level: z.number(), warmth: z.number(), noise: z.number() }),
  framesPerWindow: z.int(),
  threads: z.int(),
  /** For `pack`: names of the classes of a ready model. */
  labels: z._default(z.array(z.string()), []),
});
export type JobRequest = z.infer<typeof jobRequest>;

/** A frame of a device and what lies in it. */
export interface LabelledSample {
  pixels: Uint8Array;
  parts: readonly Part[];
}

const part = z.object({ label: z.int(), x: z.number(), y: z.number(), angle: z.number(), visible: z.number() });

const partName = z.object({ role: bundleFile.shape.role, variant: bundleFile.shape.variant, path: bundleFile.shape.path });
const versionHead = z.object({
  parts: z.array(partName),
  task: manifest.shape.task,
  labels: manifest.shape.labels,
  inputs: manifest.shape.inputs,
  outputs: manifest.shape.outputs,
  metrics: manifest.shape.metrics,
  decision: manifest.shape.decision,
  gate: gateVerdict,
  weightDigest: z.string(),
  parameters: z.number(),
});

const requestFile = 'request.json';
const samplesFile = 'samples.bin';
const partsFile = 'samples.json';
const championFile = 'champion.onnx';
const readyFile = 'ready.onnx';
const resultFolder = 'result';
const inputFolder = 'input';
const headFile = 'version.json';

const exists = async (file: string): Promise<boolean> => (await stat(file).catch(() => undefined)) !== undefined;

/** Only the inputs are made anew: a result that is there already is kept. */
export async function writeRequest(folder: string, request: JobRequest): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFileDurably(path.join(folder, requestFile), JSON.stringify(request));
}

/** Frames of one size one after the other, what lies in them beside; never all of them in memory. Returns how many. */
export async function writeSamples(folder: string, samples: AsyncIterable<LabelledSample>): Promise<number> {
  const parts: (readonly Part[])[] = [];
  const file = await open(path.join(folder, samplesFile), 'w', 0o600);
  try {
    for await (const sample of samples) {
      await file.appendFile(sample.pixels);
      parts.push(sample.parts);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  // Without this list there are no samples.
  await writeFileDurably(path.join(folder, partsFile), JSON.stringify(parts));
  return parts.length;
}

export async function readSamples(folder: string, frameBytes: number): Promise<LabelledSample[] | undefined> {
  const file = path.join(folder, partsFile);
  if (!(await exists(file))) return undefined;
  const frames = z.array(z.array(part)).parse(JSON.parse(await readFile(file, 'utf8')));
  const bytes = new Uint8Array(await readFile(path.join(folder, samplesFile)));
  if (bytes.length !== frames.length * frameBytes)
    throw new SerinError('JOB_FAILED', { detail: `${bytes.length} bytes of samples are not ${frames.length} frames of ${frameBytes}` });
  return frames.map((parts, index) => ({ parts, pixels: bytes.subarray(index * frameBytes, (index + 1) * frameBytes) }));
}

export const writeChampion = (folder: string, model: Uint8Array): Promise<void> => writeFileDurably(path.join(folder, championFile), model);

export async function readChampion(folder: string): Promise<Uint8Array | undefined> {
  const file = path.join(folder, championFile);
  return (await exists(file)) ? new Uint8Array(await readFile(file)) : undefined;
}

/** Of everything a training learns from. */
export async function digestOfInputs(folder: string): Promise<Digest> {
  const hash = createHash('sha256');
  for (const name of [requestFile, partsFile, samplesFile, championFile]) {
    const file = path.join(folder, name);
    hash.update(`${name}\n`);
    if (await exists(file)) await pipeline(createReadStream(file), hash, { end: false });
  }
  return hash.digest('hex') as Digest;
}

/** Where a training leaves its checkpoints: the next attempt at a job goes on from them, unless other frames have come in between. */
export async function checkpointFolder(folder: string): Promise<string> {
  return path.join(folder, `checkpoint-${(await digestOfInputs(folder)).slice(0, 16)}`);
}

/** A user's own model, to be packed as it is. */
export const writeReady = (folder: string, model: Uint8Array): Promise<void> => writeFileDurably(path.join(folder, readyFile), model);
export const readReady = async (folder: string): Promise<Uint8Array> => new Uint8Array(await readFile(path.join(folder, readyFile)));

async function writeVersion(folder: string, version: TrainedVersion): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const part of version.files) await writeFileDurably(path.join(folder, part.path), part.bytes);
  const { files, ...head } = version;
  // The head comes last: with it the folder counts as finished.
  const parts = files.map(({ role, variant, path: name }) => ({ role, variant, path: name }));
  // A figure that could not be measured, say how far detections are off where there are none, is no figure.
  const metrics = Object.fromEntries(Object.entries(head.metrics).filter(([, value]) => Number.isFinite(value)));
  await writeFileDurably(path.join(folder, headFile), JSON.stringify({ ...head, metrics, parts }));
}

async function readVersion(folder: string): Promise<TrainedVersion | undefined> {
  const file = path.join(folder, headFile);
  if (!(await exists(file))) return undefined;
  const parsed = versionHead.safeParse(JSON.parse(await readFile(file, 'utf8')));
  if (!parsed.success) throw new SerinError('JOB_FAILED', { detail: `the result is malformed: ${z.prettifyError(parsed.error)}` });
  const { parts, ...head } = parsed.data;
  const files: BundlePart[] = [];
  for (const { role, variant, path: name } of parts) {
    files.push({ role, ...(variant === undefined ? {} : { variant }), path: name, bytes: new Uint8Array(await readFile(path.join(folder, name))) });
  }
  return { ...head, files };
}

export const writeResult = (folder: string, version: TrainedVersion): Promise<void> => writeVersion(path.join(folder, resultFolder), version);
export const readResult = (folder: string): Promise<TrainedVersion | undefined> => readVersion(path.join(folder, resultFolder));
/** A version that the job starts from. */
export const writeInput = (folder: string, version: TrainedVersion): Promise<void> => writeVersion(path.join(folder, inputFolder), version);
export const readInput = (folder: string): Promise<TrainedVersion | undefined> => readVersion(path.join(folder, inputFolder));
