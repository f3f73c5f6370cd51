import { createHash } from 'node:crypto';

import { seededRandom, shuffle } from '@serin/inference/random';
import { SerinError } from '@serin/protocol/errors';

import { fileBytesMaxDefault } from '../data/check-images.ts';
import { splitOf } from '../data/dataset.ts';
import { checkFrame, decodeImage, type FrameSettings } from '../data/decode.ts';
import { FileProblem, openFolder, readInside, walkFiles } from '../data/folder.ts';
import { inParallel } from '../data/parallel.ts';
import { addProblem, noProblems, refuseProblems } from '../data/problems.ts';
import { throwIfCancelled } from '../train/cancellation.ts';

/** Frames of one size with what is known of them. */
export interface PictureSet {
  readonly count: number;
  readonly pixels: Uint8Array;
  /** Index of the class of each; undefined where the folder does not tell. */
  readonly labels: Int32Array | undefined;
}

export interface ImportPictures {
  /** Ranges and temperatures are learnt from these, and what is lost is measured on the others. */
  readonly learn: PictureSet;
  readonly judge: PictureSet;
  readonly digest: string;
  readonly notes: readonly string[];
}

export interface PictureOptions {
  readonly frame: FrameSettings;
  /** Names of the classes; a folder for each of them tells what its pictures show. */
  readonly labels: readonly string[];
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (fraction: number, words: string) => void;
}

const judgedShare = 0.5;
const picturesMax = 4000;
/** Of all decoded frames together. */
const pixelsMax = 512 * 2 ** 20;
const picturesMin = 8;
const copiesShown = 3;

/** All pictures below a folder as frames, half of them to learn from, half to judge by; whichever half one is in, it stays. */
export async function readPictures(folder: string, options: PictureOptions): Promise<ImportPictures> {
  const { frame, labels, seed, signal, onProgress } = options;
  checkFrame(frame);
  const root = await openFolder(folder);
  const problems = noProblems();
  const files: string[] = [];
  for await (const file of walkFiles(root, '', problems)) files.push(file);
  const bytesEach = frame.width * frame.height * frame.channels;
  const most = Math.min(picturesMax, Math.floor(pixelsMax / bytesEach));
  const notes: string[] = [];
  const chosen =
    files.length <= most
      ? files
      : shuffle(seededRandom(seed).fork('pictures'), [...files])
          .slice(0, most)
          .toSorted();
  if (chosen.length < files.length) notes.push(`of ${files.length} pictures ${chosen.length} were drawn`);
  const decoded: (Uint8Array | undefined)[] = Array.from({ length: chosen.length });
  const digests: string[] = Array.from({ length: chosen.length }, () => '');
  const faults: (FileProblem | undefined)[] = Array.from({ length: chosen.length });
  let done = 0;
  await inParallel(chosen.length, 4, async (index) => {
    throwIfCancelled(signal);
    try {
      const bytes = await readInside(root, chosen[index] as string, fileBytesMaxDefault);
      const { pixels } = await decodeImage(bytes, frame);
      decoded[index] = pixels;
      // Of what the model will see: files that differ may well show the same.
      digests[index] = createHash('sha256').update(pixels).digest('hex');
    } catch (error) {
      if (!(error instanceof FileProblem)) throw error;
      faults[index] = error;
    }
    done += 1;
    onProgress?.(done / chosen.length, `reading pictures, ${done} of ${chosen.length}`);
  });
  chosen.forEach((file, index) => {
    const fault = faults[index];
    if (fault !== undefined) addProblem(problems, { kind: fault.kind, file, detail: fault.message });
  });
  refuseProblems(problems);
  const classes = labelled(chosen, labels);
  if (classes === undefined && labels.length > 0)
    notes.push('no folders named after the classes: nothing says what the pictures show, so variants are judged by how well they agree with float');
  // The same picture on both sides would be judged by what was learnt from it.
  const unique = [...digests.keys()].filter((index) => digests.indexOf(digests[index] as string) === index);
  if (unique.length < chosen.length) notes.push(copies(chosen, digests));
  const { learn, judge } = halves(unique, (index) => digests[index] as string);
  if (learn.length < picturesMin || judge.length < picturesMin)
    throw new SerinError('TRAINING_DATA_INSUFFICIENT', {
      detail: `${unique.length} different picture${unique.length === 1 ? '' : 's'}; ${picturesMin} to learn ranges from and ${picturesMin} others to judge by are the least`,
      hint: 'Add pictures like those the model will see; a hundred do',
    });
  const content = createHash('sha256');
  for (const index of unique) content.update(`${digests[index]} ${classes?.[index] ?? ''}\n`);
  const take = (indices: readonly number[]): PictureSet => gather(indices, decoded, classes, bytesEach);
  return { learn: take(learn), judge: take(judge), digest: content.digest('hex'), notes };
}

function copies(files: readonly string[], digests: readonly string[]): string {
  const doubled = files.filter((_, index) => digests.indexOf(digests[index] as string) !== index);
  return `${doubled.length} cop${doubled.length === 1 ? 'y' : 'ies'} of other pictures left out: ${doubled.slice(0, copiesShown).join(', ')}${doubled.length > copiesShown ? ', ...' : ''}`;
}

/** The class of each file by its first folder, where every file lies in the folder of a class. */
function labelled(files: readonly string[], labels: readonly string[]): number[] | undefined {
  const places = files.map((file) => (file.includes('/') ? labels.indexOf(file.split('/')[0] as string) : -1));
  return labels.length > 0 && places.every((place) => place !== -1) ? places : undefined;
}

/** By the content alone; where chance leaves one side short, the other gives. */
function halves(indices: readonly number[], idOf: (index: number) => string): { learn: number[]; judge: number[] } {
  const learn = indices.filter((index) => splitOf(idOf(index), { validation: 0, test: judgedShare }) === 'train');
  const judge = indices.filter((index) => !learn.includes(index));
  const [short, long] = learn.length < judge.length ? [learn, judge] : [judge, learn];
  while (short.length < picturesMin && long.length > picturesMin) short.push(long.pop() as number);
  return { learn, judge };
}

function gather(
  indices: readonly number[],
  decoded: readonly (Uint8Array | undefined)[],
  classes: readonly number[] | undefined,
  bytesEach: number,
): PictureSet {
  const pixels = new Uint8Array(indices.length * bytesEach);
  indices.forEach((index, place) => pixels.set(decoded[index] ?? new Uint8Array(), place * bytesEach));
  return { count: indices.length, pixels, labels: classes === undefined ? undefined : Int32Array.from(indices, (index) => classes[index] as number) };
}
