import path from 'node:path';

import { checkWhole, defaultShares, isSameObject, labelPlaces, limits, splitOf, type Example, type Marked, type Reading, type ReadOptions } from './dataset.ts';
import { FileProblem, openFolder, pathBelow, readWhole } from './folder.ts';
import { addProblem, noProblems, type Problem, type Problems } from './problems.ts';
import { decodeText } from './records/encoding.ts';

export interface CocoOptions extends ReadOptions {
  /** Where the pictures lie, below the folder. */
  readonly images?: string;
}

type Raw = Readonly<Record<string, unknown>>;
type Id = number | string;

interface Entry {
  readonly id: Id;
  readonly path: string;
  readonly stated?: { readonly width: number; readonly height: number };
  readonly objects: Marked[];
}

interface Reader {
  readonly file: string;
  readonly root: string;
  readonly problems: Problems;
  readonly images: Map<Id, Entry | undefined>;
  readonly categories: Map<Id, number | string>;
  readonly leftOut: Map<string, number>;
}

const isId = (value: unknown): value is Id => (typeof value === 'number' && Number.isFinite(value)) || typeof value === 'string';
const shown = (value: unknown): string => (JSON.stringify(value) ?? 'missing').slice(0, 60);
const isSide = (value: unknown): value is number => typeof value === 'number' && Number.isInteger(value) && value > 0;

/** COCO's `images`, `annotations` and `categories`: boxes and their classes; what else annotations carry is left out, with a note. */
export async function readCoco(folder: string, json: string, { labels, shares = defaultShares, images = '' }: CocoOptions = {}): Promise<Reading> {
  const root = await openFolder(folder);
  const file = path.basename(json);
  const reader: Reader = { file, root, problems: noProblems(), images: new Map(), categories: new Map(), leftOut: new Map() };
  const { problems } = reader;
  const empty = { kind: 'objects' as const, folder: root, labels: labels ?? [], examples: [], notes: [] };
  const lists = await openLists(reader, json);
  if (lists === undefined) return { dataset: empty, problems };

  const known = readCategories(reader, lists.categories, labels);
  for (const [place, image] of lists.images.entries()) readImage(reader, image, place, images);
  for (const [place, annotation] of lists.annotations.entries()) readAnnotation(reader, annotation, place, known);

  const examples: Example[] = [];
  const seen = new Map<string, Id>();
  for (const entry of reader.images.values()) {
    if (entry === undefined) continue;
    const first = seen.get(entry.path);
    if (first !== undefined) {
      addProblem(problems, { kind: 'duplicate', file: entry.path, at: `image ${entry.id}`, detail: `it is image ${first} already` });
      continue;
    }
    seen.set(entry.path, entry.id);
    const { id, path: below, ...rest } = entry;
    examples.push({ path: below, split: splitOf(below, shares), label: -1, from: `image ${id}`, ...rest });
  }
  const notes = Array.from(reader.leftOut, ([what, count]) => `${what} of ${count} annotation${count === 1 ? '' : 's'} left out`);
  const dataset = { ...empty, labels: known, examples, notes };
  checkWhole(dataset, file, problems);
  return { dataset, problems };
}

async function openLists(
  { file, root, problems }: Reader,
  json: string,
): Promise<Record<'images' | 'annotations' | 'categories', readonly unknown[]> | undefined> {
  const fail = (kind: Problem['kind'], detail: string): undefined => addProblem(problems, { kind, file, detail }) as undefined;
  let parsed: unknown;
  try {
    const text = decodeText(await readWhole(path.resolve(root, json), limits.cocoFileBytes));
    if (text === undefined) return fail('format', 'it is not UTF-8 text');
    parsed = JSON.parse(text);
  } catch (error) {
    if (error instanceof FileProblem) return fail(error.kind, error.message);
    return fail('format', `it is not JSON: ${error instanceof Error ? error.message.slice(0, 120) : ''}`);
  }
  const { images, annotations, categories } = (typeof parsed === 'object' && parsed !== null ? parsed : {}) as Raw;
  if (!Array.isArray(images) || !Array.isArray(annotations) || !Array.isArray(categories)) {
    return fail('format', 'it must have the lists images, annotations and categories');
  }
  if (images.length > limits.examples) return fail('too-large', `it has ${images.length} images; at most ${limits.examples} are read`);
  if (categories.length > limits.labels) return fail('too-large', `it has ${categories.length} categories; at most ${limits.labels} are read`);
  return { images, annotations, categories };
}

const asRaw = (value: unknown): Raw => (typeof value === 'object' && value !== null ? (value as Raw) : {});

/** Fills the places of categories; the labels are those given, or the categories in the order of their ids. */
function readCategories({ file, problems, categories }: Reader, list: readonly unknown[], labels: readonly string[] | undefined): readonly string[] {
  const found = new Map<Id, string>();
  const names = new Set<string>();
  const report = (at: string, kind: Problem['kind'], detail: string): void => addProblem(problems, { kind, file, at, detail });
  list.forEach((value, place) => {
    const { id, name } = asRaw(value);
    if (!isId(id) || typeof name !== 'string' || name === '') report(`category number ${place + 1}`, 'format', 'a category needs an id and a name');
    else if (found.has(id)) report(`category ${id}`, 'duplicate', 'another category has this id');
    else if (names.has(name)) report(`category ${id}`, 'duplicate', `another category is named "${name}"`);
    else {
      found.set(id, name);
      names.add(name);
    }
  });
  const ordered = [...found];
  if (ordered.every(([id]) => typeof id === 'number')) ordered.sort(([one], [other]) => Number(one) - Number(other));
  const known = labels ?? ordered.map(([, name]) => name);
  const places = labelPlaces(known);
  // A category that is not among the labels is only wrong where an annotation uses it.
  for (const [id, name] of found) categories.set(id, places.get(name) ?? name);
  return known;
}

function readImage({ file, root, problems, images }: Reader, value: unknown, place: number, below: string): void {
  const { id, file_name: name, width, height } = asRaw(value);
  if (!isId(id)) return addProblem(problems, { kind: 'format', file, at: `image number ${place + 1}`, detail: `its id is ${shown(id)}` });
  const report = (kind: Problem['kind'], detail: string): void =>
    addProblem(problems, { kind, file: typeof name === 'string' && name !== '' ? name : file, at: `image ${id}`, detail });
  if (images.has(id)) return report('duplicate', 'another image has this id');
  // Known though unusable, so that its annotations are not reported as well.
  images.set(id, undefined);
  if (typeof name !== 'string' || name === '') return report('format', `its file_name is ${shown(name)}`);
  const where = pathBelow(root, below === '' ? name : `${below}/${name}`);
  if (where === undefined) return report('path-escapes', 'the path leads out of the folder');
  const stated = isSide(width) && isSide(height) ? { stated: { width, height } } : {};
  images.set(id, { id, path: where, objects: [], ...stated });
}

function readAnnotation({ file, problems, images, categories, leftOut }: Reader, value: unknown, place: number, known: readonly string[]): void {
  const raw = asRaw(value);
  const { id, image_id: image, category_id: category, bbox } = raw;
  const entry = isId(image) ? images.get(image) : undefined;
  const report = (kind: Problem['kind'], detail: string): void =>
    addProblem(problems, { kind, file: entry?.path ?? file, at: isId(id) ? `annotation ${id}` : `annotation number ${place + 1}`, detail });
  const leave = (what: string): void => void leftOut.set(what, (leftOut.get(what) ?? 0) + 1);

  if (!isId(image) || !images.has(image)) return report('file-missing', `there is no image ${shown(image)}`);
  if (entry === undefined) return;
  if (raw['iscrowd'] === 1 || raw['iscrowd'] === true) return leave('iscrowd regions');
  const label = isId(category) ? categories.get(category) : undefined;
  if (label === undefined) return report('label-out-of-range', `there is no category ${shown(category)}`);
  if (typeof label === 'string') return report('label-unknown', `category "${label}" is not among the labels ${known.slice(0, 12).join(', ')}`);
  const [x, y, width, height]: unknown[] = Array.isArray(bbox) && bbox.length === 4 && bbox.every(Number.isFinite) ? bbox : [];
  if (typeof x !== 'number' || typeof y !== 'number' || typeof width !== 'number' || typeof height !== 'number' || width <= 0 || height <= 0) {
    return report('box-invalid', `its bbox is ${shown(bbox)}; it must be [x, y, width, height]`);
  }
  if (entry.objects.length >= limits.objectsPerPicture) return report('too-large', `the picture has more than ${limits.objectsPerPicture} objects`);
  const object = { label, x: x + width / 2, y: y + height / 2, width, height };
  if (entry.objects.some((other) => isSameObject(other, object))) {
    return report('duplicate', 'the picture has this very object already');
  }
  for (const [what, isThere] of [
    ['rotation', raw['rotation'] !== undefined || asRaw(raw['attributes'])['rotation'] !== undefined],
    ['keypoints', Array.isArray(raw['keypoints'])],
    ['segmentation', Array.isArray(raw['segmentation']) && raw['segmentation'].length > 0],
  ] as const) {
    if (isThere) leave(what);
  }
  entry.objects.push(object);
}
