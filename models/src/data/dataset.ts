import { seededRandom } from '@serin/inference/random';

import type { Placed } from './placement.ts';
import { addProblem, type Problems } from './problems.ts';

export type SplitName = 'train' | 'validation' | 'test';

/** Something marked in a picture. */
export interface Marked extends Placed {
  /** Index into the labels. */
  readonly label: number;
}

/** One picture by its path: pixels are decoded when they are wanted. */
export interface Example {
  /** Its path below the folder, with `/`; also its id. */
  readonly path: string;
  readonly split: SplitName;
  /** Index into the labels; -1 where objects carry them. */
  readonly label: number;
  /** In pixels of the whole, upright picture. */
  readonly objects: readonly Marked[];
  /** Where it was read: `row 12`, `image 7`. */
  readonly from?: string;
  /** Size of the picture as the label file has it. */
  readonly stated?: { readonly width: number; readonly height: number };
}

/** Plain data, light enough to hand to another thread: paths and labels, no pixels. */
export interface ImageDataset {
  readonly kind: 'classes' | 'objects';
  readonly folder: string;
  readonly labels: readonly string[];
  readonly examples: readonly Example[];
  /** What was left out on purpose, in words. */
  readonly notes: readonly string[];
  /** Of labels, objects, splits and the bytes of all pictures, once these were checked: equal data, equal digest. */
  readonly digest?: string;
}

/** A dataset as far as it is sound, and what is wrong with the rest. */
export interface Reading {
  readonly dataset: ImageDataset;
  readonly problems: Problems;
}

export interface SplitShares {
  readonly validation: number;
  readonly test: number;
}

export const defaultShares: SplitShares = { validation: 0.1, test: 0.1 };

export interface ReadOptions {
  /** The labels there are, in the order of the model's answers; all that occur, sorted, when left out. */
  readonly labels?: readonly string[] | undefined;
  readonly shares?: SplitShares | undefined;
}

export const limits = {
  examples: 5_000_000,
  objectsPerPicture: 2_000,
  labels: 100_000,
  cocoFileBytes: 256 * 2 ** 20,
} as const;

/** Decided by the id alone, so an example never moves, whatever else comes or goes; a larger test share only takes more. */
export function splitOf(id: string, { validation, test }: SplitShares): SplitName {
  const at = seededRandom(`split/${id}`).uniform();
  if (at < test) return 'test';
  return at < test + validation ? 'validation' : 'train';
}

const isWhole = (text: string): boolean => /^\d{1,9}$/.test(text);

/** Whole numbers by value, else by code unit: the same order on every machine. */
export function sortLabels(labels: Iterable<string>): string[] {
  const list = [...labels].sort((one, other) => (one < other ? -1 : 1));
  return list.every(isWhole) ? list.sort((one, other) => Number(one) - Number(other)) : list;
}

/** The index of a label given by name or, where no label has that name, by number. */
export function labelIndex(
  places: ReadonlyMap<string, number>,
  text: string,
): number | { readonly kind: 'label-unknown' | 'label-out-of-range'; readonly detail: string } {
  const place = places.get(text);
  if (place !== undefined) return place;
  if (/^[+-]?\d+(\.\d+)?$/.test(text)) {
    const number = Number(text);
    if (Number.isInteger(number) && number >= 0 && number < places.size) return number;
    return { kind: 'label-out-of-range', detail: `label ${text}; labels are 0 to ${places.size - 1}` };
  }
  return {
    kind: 'label-unknown',
    detail: `label "${text.slice(0, 80)}" is unknown; there are ${[...places.keys()].slice(0, 12).join(', ')}${places.size > 12 ? ', ...' : ''}`,
  };
}

export const isSameObject = (one: Marked, other: Marked): boolean =>
  one.label === other.label && one.x === other.x && one.y === other.y && one.width === other.width && one.height === other.height && one.angle === other.angle;

export const labelPlaces = (labels: readonly string[]): ReadonlyMap<string, number> => new Map(labels.map((label, place) => [label, place]));

/** What only shows over the whole set: nothing there, classes without an example, or without one to learn from. */
export function checkWhole({ kind, labels, examples }: ImageDataset, where: string, problems: Problems): void {
  if (examples.length === 0) {
    addProblem(problems, { kind: 'empty', file: where, detail: 'there is no usable example' });
    return;
  }
  const all = new Uint32Array(labels.length);
  const learnt = new Uint32Array(labels.length);
  const count = (label: number, split: SplitName): void => {
    all[label] = (all[label] ?? 0) + 1;
    if (split === 'train') learnt[label] = (learnt[label] ?? 0) + 1;
  };
  for (const { label, objects, split } of examples) {
    if (kind === 'classes') count(label, split);
    else for (const object of objects) count(object.label, split);
  }
  labels.forEach((label, place) => {
    if (learnt[place] !== 0) return;
    const detail =
      all[place] === 0
        ? `class "${label}" has no example`
        : `class "${label}" has ${all[place]} example${all[place] === 1 ? '' : 's'}, none of them to train on`;
    addProblem(problems, { kind: 'class-empty', file: where, detail });
  });
  if (!examples.some(({ split }) => split === 'train')) {
    addProblem(problems, { kind: 'empty', file: where, detail: `none of ${examples.length} examples is to train on` });
  }
}
