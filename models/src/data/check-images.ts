import { createHash } from 'node:crypto';

import { throwIfCancelled } from '../train/cancellation.ts';
import { checkWhole, type Example, type ImageDataset, type Reading } from './dataset.ts';
import { checkFrame, decodeImage, type DecodeLimits, type FrameSettings } from './decode.ts';
import { FileProblem, readInside } from './folder.ts';
import { inParallel } from './parallel.ts';
import { liesWithin, type Placed } from './placement.ts';
import { addProblem, noProblems, type Problem, type ProblemKind } from './problems.ts';

export interface CheckProgress {
  readonly done: number;
  readonly total: number;
}

export interface FileLimits extends DecodeLimits {
  readonly fileBytesMax?: number;
}

export interface CheckOptions extends FileLimits {
  /** Whether a second file of the same bytes and label is a problem, or merely left out. */
  readonly duplicates?: 'refuse' | 'drop';
  readonly concurrency?: number;
  readonly onProgress?: (progress: CheckProgress) => void;
  readonly signal?: AbortSignal | undefined;
}

export const fileBytesMaxDefault = 64 * 2 ** 20;

/** Labellers round to whole pixels. */
const slackPixels = 1;

/** What is wrong with the objects of a picture of this size. */
export function objectFaults({ objects, stated }: Example, size: { readonly width: number; readonly height: number }): { kind: ProblemKind; detail: string }[] {
  if (stated !== undefined && (stated.width !== size.width || stated.height !== size.height)) {
    return [{ kind: 'size-differs', detail: `the labels are for ${stated.width}x${stated.height}, the upright picture has ${size.width}x${size.height}` }];
  }
  return objects.flatMap((object, place) => {
    const outside = liesBeyond(object, size);
    const box = object.width === undefined ? 'point' : 'box';
    const where = `${object.x}, ${object.y}${object.width === undefined ? '' : `, ${object.width} by ${object.height}`}`;
    return outside
      ? [{ kind: 'box-outside' as const, detail: `${box} ${place + 1} (centre ${where}) reaches out of the picture of ${size.width}x${size.height}` }]
      : [];
  });
}

function liesBeyond(object: Placed, size: { readonly width: number; readonly height: number }): boolean {
  // The corners of a slanted box may well stand out.
  if (object.width === undefined || object.height === undefined || object.angle !== undefined) {
    return !liesWithin(object, { width: size.width + 1e-6, height: size.height + 1e-6 });
  }
  return (
    object.x - object.width / 2 < -slackPixels ||
    object.y - object.height / 2 < -slackPixels ||
    object.x + object.width / 2 > size.width + slackPixels ||
    object.y + object.height / 2 > size.height + slackPixels
  );
}

/**
 * Reads and decodes every picture once, a few at a time and keeping none, before anything is trained on them.
 * The dataset that comes back is the sound part of the one given, with a digest of all that training sees of it.
 */
export async function checkImages(dataset: ImageDataset, frame: FrameSettings, options: CheckOptions = {}): Promise<Reading> {
  const { duplicates = 'refuse', concurrency = 4, onProgress, signal, fileBytesMax = fileBytesMaxDefault } = options;
  checkFrame(frame);
  const { examples, folder } = dataset;
  const faults = new Map<number, { kind: ProblemKind; detail: string }[]>();
  const digests: string[] = Array.from({ length: examples.length }, () => '');
  let done = 0;
  await inParallel(examples.length, concurrency, async (index) => {
    throwIfCancelled(signal);
    const example = examples[index] as Example;
    try {
      const bytes = await readInside(folder, example.path, fileBytesMax);
      const found = objectFaults(example, await decodeImage(bytes, frame, options));
      if (found.length > 0) faults.set(index, found);
      else digests[index] = createHash('sha256').update(bytes).digest('base64url').slice(0, 24);
    } catch (error) {
      if (!(error instanceof FileProblem)) throw error;
      faults.set(index, [{ kind: error.kind, detail: error.message }]);
    }
    done += 1;
    onProgress?.({ done, total: examples.length });
  });
  return sortOut(dataset, faults, digests, duplicates);
}

/** In the order of the examples, whatever the order in which they were read. */
function sortOut(
  dataset: ImageDataset,
  faults: ReadonlyMap<number, readonly { kind: ProblemKind; detail: string }[]>,
  digests: readonly string[],
  duplicates: 'refuse' | 'drop',
): Reading {
  const problems = noProblems();
  const firsts = new Map<string, Example>();
  const sound: Example[] = [];
  const content = createHash('sha256').update(JSON.stringify([dataset.kind, dataset.labels]));
  let dropped = 0;
  dataset.examples.forEach((example, index) => {
    const { path: file, from } = example;
    const report = (kind: Problem['kind'], detail: string): void => addProblem(problems, { kind, file, ...(from === undefined ? {} : { at: from }), detail });
    for (const { kind, detail } of faults.get(index) ?? []) report(kind, detail);
    if (faults.has(index)) return;
    const digest = digests[index] ?? '';
    const first = firsts.get(digest);
    if (first === undefined) {
      firsts.set(digest, example);
      sound.push(example);
      content.update(JSON.stringify([file, example.split, example.label, example.objects, digest]));
    } else if (first.label !== example.label) report('label-conflict', `the same picture is ${first.path} with the label "${dataset.labels[first.label]}"`);
    else if (duplicates === 'refuse') report('duplicate', `the same picture is ${first.path}`);
    else dropped += 1;
  });
  const notes = dropped === 0 ? dataset.notes : [...dataset.notes, `${dropped} cop${dropped === 1 ? 'y' : 'ies'} of other pictures left out`];
  const checked = { ...dataset, examples: sound, notes, digest: content.digest('hex') };
  if (dropped > 0 && problems.total === 0) checkWhole(checked, dataset.folder, problems);
  return { dataset: checked, problems };
}
