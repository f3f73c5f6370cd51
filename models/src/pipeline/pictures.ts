import { open } from 'node:fs/promises';

import type { TrainerSettings } from '@serin/protocol/pipeline';

import { sortLabels, splitOf } from '../data/dataset.ts';
import { decodeImage } from '../data/decode.ts';
import { FileProblem } from '../data/folder.ts';
import { inParallel } from '../data/parallel.ts';
import { addProblem, noProblems, refuseProblems } from '../data/problems.ts';
import { throwIfCancelled } from '../train/cancellation.ts';
import type { DataFacts, Part } from './part.ts';
import type { InputDigest, StageContext } from './stage.ts';

const bytesMax = 2 ** 30;
const fileBytesMax = 64 * 2 ** 20;
const lanes = 4;

export const frameOf = (settings: TrainerSettings): NonNullable<DataFacts['frame']> => {
  const [first] = settings.kind === 'ensemble' ? settings.members : [settings];
  return first?.kind === 'image-classifier' ? { size: first.size, channels: first.channels } : { size: 64, channels: 3 };
};

/** Folders that all paths have in common say nothing; the next one is the class. */
export function classesOf(paths: readonly string[]): (string | undefined)[] {
  const parts = paths.map((path) => path.split('/').filter((part) => part !== '' && part !== '.'));
  let depth = 0;
  const [first = []] = parts;
  while (first.length > depth + 2 && parts.every((path) => path.length > depth + 2 && path[depth] === first[depth])) depth += 1;
  return parts.map((path) => (path.length > depth + 1 ? path[depth] : undefined));
}

export interface Pictures {
  readonly part: Part;
  readonly labels: readonly string[];
  /** 0, 1 or 2: training, validation, test. */
  readonly splits: readonly number[];
}

/** Decodes every picture once, to the size the network takes. Copies of one picture stay on one side, for its bytes decide. */
export async function loadPictures(context: StageContext): Promise<Pictures> {
  const { plan, locate, signal, progress } = context;
  const { inputs, file } = plan;
  const { size, channels } = frameOf(file.train);
  const problems = noProblems();
  const frameBytes = size * size * channels;
  if (inputs.length * frameBytes > bytesMax) {
    addProblem(problems, {
      kind: 'too-large',
      file: '.',
      detail: `${inputs.length} pictures of ${size}x${size}x${channels} are more than ${bytesMax} bytes; use a smaller train.size`,
    });
    refuseProblems(problems);
  }
  const classes = classesOf(inputs.map(({ path }) => path));
  const labels = sortLabels(new Set(classes.filter((name) => name !== undefined)));
  const pixels = new Uint8Array(inputs.length * frameBytes);
  const faults = new Map<number, FileProblem>();
  let done = 0;
  await inParallel(inputs.length, lanes, async (index) => {
    throwIfCancelled(signal);
    const input = inputs[index] as InputDigest;
    try {
      const decoded = await decodeImage(await readPicture(locate(input.path), input.bytes), { width: size, height: size, channels });
      pixels.set(decoded.pixels, index * frameBytes);
    } catch (error) {
      if (!(error instanceof FileProblem)) throw error;
      faults.set(index, error);
    }
    done += 1;
    progress(done / inputs.length, `${done} of ${inputs.length} pictures`);
  });
  const firsts = new Map<string, number>();
  inputs.forEach(({ path, sha256 }, index) => {
    const fault = faults.get(index);
    if (fault !== undefined) return addProblem(problems, { kind: fault.kind, file: path, detail: fault.message });
    if (classes[index] === undefined) return addProblem(problems, { kind: 'label-missing', file: path, detail: 'it lies in no folder of a class' });
    const first = firsts.get(sha256);
    if (first === undefined) firsts.set(sha256, index);
    else if (classes[first] !== classes[index])
      addProblem(problems, { kind: 'label-conflict', file: path, detail: `the same picture is ${inputs[first]?.path} of the class ${classes[first]}` });
  });
  if (labels.length < 2)
    addProblem(problems, {
      kind: 'class-empty',
      file: '.',
      detail: `there ${labels.length === 1 ? 'is one class' : 'are no classes'}; a classifier tells two at least`,
    });
  refuseProblems(problems);
  const splits = inputs.map(({ sha256 }) => ['train', 'validation', 'test'].indexOf(splitOf(sha256, file.split)));
  return {
    part: {
      rows: inputs.length,
      labels: Float64Array.from(classes, (name) => labels.indexOf(name ?? '')),
      groups: undefined,
      table: { rows: inputs.length, columns: [] },
      pixels,
    },
    labels,
    splits,
  };
}

async function readPicture(file: string, bytes: number): Promise<Buffer> {
  if (bytes > fileBytesMax) throw new FileProblem('too-large', `it has ${bytes} bytes; at most ${fileBytesMax} are read`);
  const handle = await open(file, 'r');
  try {
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}
