import { symlink } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

import sharp from 'sharp';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { errorCatalogue } from '@serin/protocol/errors';

import { checkImages, objectFaults } from './check-images.ts';
import type { FrameSettings } from './decode.ts';
import { loadImages } from './load-images.ts';
import { addProblem, mergeProblems, noProblems, problemsMax, TrainingDataError } from './problems.ts';
import { readCsv } from './read-csv.ts';
import { drawPicture, temporaryFolder, writeFiles } from './testing/pictures.ts';

let folder: string;
let remove: () => Promise<void>;
beforeEach(async () => {
  ({ folder, remove } = await temporaryFolder());
});
afterEach(() => remove());

const frame: FrameSettings = { width: 16, height: 16, channels: 3 };
const shares = { validation: 0, test: 0 };
const picture = (seed: number): Promise<Buffer> => drawPicture(seed, 24, 16);

async function refusal(loading: Promise<unknown>): Promise<TrainingDataError> {
  const error: unknown = await loading.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(TrainingDataError);
  return error as TrainingDataError;
}

test('sound folders, CSV and COCO all become a dataset', async () => {
  await writeFiles(folder, {
    'a/1.png': await picture(1),
    'b/2.png': await picture(2),
    'labels.csv': 'file,label\na/1.png,nut\nb/2.png,bolt\n',
    'coco.json': JSON.stringify({
      images: [
        { id: 1, file_name: 'a/1.png', width: 24, height: 16 },
        { id: 2, file_name: 'b/2.png', width: 24, height: 16 },
      ],
      annotations: [{ id: 1, image_id: 1, category_id: 1, bbox: [0, 0, 24, 16] }],
      categories: [{ id: 1, name: 'nut' }],
    }),
  });
  const { examples } = await loadImages(folder, { kind: 'folders' }, { frame, shares });
  expect(examples.map((example) => [example.path, example.label])).toEqual([
    ['a/1.png', 0],
    ['b/2.png', 1],
  ]);
  expect((await loadImages(folder, { kind: 'csv', file: 'labels.csv' }, { frame, shares })).labels).toEqual(['bolt', 'nut']);
  expect((await loadImages(folder, { kind: 'coco', file: 'coco.json' }, { frame, shares })).examples[0]?.objects).toHaveLength(1);
});

test('everything that is wrong with a set is said at once, before training: file, row and reason', async () => {
  const whole = await picture(1);
  const { folder: elsewhere, remove: removeElsewhere } = await temporaryFolder();
  await writeFiles(elsewhere, { 'secret.png': await picture(9) });
  await writeFiles(folder, {
    'good.png': whole,
    'copy.png': whole,
    'cut.png': whole.subarray(0, whole.length - 60),
    'text.png': 'file,label\n',
    'drawing.png': '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"/>',
    'empty.png': '',
    'large.png': await drawPicture(3, 70, 70),
    'folder.png/x': 'x',
    'labels.csv':
      'file,label,x,y,w,h\ngood.png,nut,0,0,24,16\ncopy.png,nut,1,1,2,2\ncut.png,nut,1,1,2,2\ntext.png,nut,1,1,2,2\ndrawing.png,nut,1,1,2,2\nempty.png,nut,1,1,2,2\nlarge.png,nut,1,1,2,2\nfolder.png,nut,1,1,2,2\nmissing.png,nut,1,1,2,2\nlink.png,nut,1,1,2,2\nout.png,nut,20,1,9,2\nout.png,nut,30,30,,\n../x.png,nut,1,1,2,2\n',
    'out.png': await picture(2),
  });
  await symlink(path.join(elsewhere, 'secret.png'), path.join(folder, 'link.png'));
  const error = await refusal(loadImages(folder, { kind: 'csv', file: 'labels.csv' }, { frame, shares, pixelsMax: 70 * 70 - 1 }));
  await removeElsewhere();
  expect(error.problems.map(({ kind, file, at }) => [kind, file, at])).toEqual([
    ['path-escapes', '../x.png', 'row 14'],
    ['duplicate', 'copy.png', 'row 3'],
    ['image-damaged', 'cut.png', 'row 4'],
    ['image-unknown', 'text.png', 'row 5'],
    ['image-unknown', 'drawing.png', 'row 6'],
    ['image-unknown', 'empty.png', 'row 7'],
    ['too-large', 'large.png', 'row 8'],
    ['file-unreadable', 'folder.png', 'row 9'],
    ['file-missing', 'missing.png', 'row 10'],
    ['path-escapes', 'link.png', 'row 11'],
    ['box-outside', 'out.png', 'row 12'],
    ['box-outside', 'out.png', 'row 12'],
  ]);
  expect(error).toMatchObject({ code: 'TRAINING_DATA_INVALID', total: 12, hint: errorCatalogue.TRAINING_DATA_INVALID.hint });
  expect(error.detail).toContain('12 problems\n');
  expect(error.detail).toContain('missing.png (row 10): there is no such file');
  expect(error.detail).toContain('box 1 (centre 24.5, 2, 9 by 2) reaches out of the picture of 24x16');
  expect(error.detail).toContain('copy.png (row 3): the same picture is good.png');
});

test('a long list is cut in the words and counted, and whole for callers', () => {
  const problems = noProblems();
  for (let at = 0; at < 15; at += 1) addProblem(problems, { kind: 'file-missing', file: `${at}.png`, detail: 'there is no such file' });
  const error = new TrainingDataError(problems);
  expect(error.problems).toHaveLength(15);
  expect(error.detail?.split('\n')).toHaveLength(14);
  expect(error.detail).toMatch(/^15 problems\n {2}0\.png: there is no such file\n/);
  expect(error.detail).toMatch(/\n {2}and 3 more$/);
  for (let at = 15; at < problemsMax + 5; at += 1) addProblem(problems, { kind: 'file-missing', file: 'x', detail: '' });
  expect([problems.list.length, problems.total, mergeProblems([problems, problems]).total]).toEqual([problemsMax, problemsMax + 5, 2 * problemsMax + 10]);
});

test('one picture under two labels is a conflict, and copies may be left out instead of refused', async () => {
  const whole = await picture(1);
  await writeFiles(folder, { 'a/1.png': whole, 'a/2.png': whole, 'b/3.png': await picture(2) });
  const error = await refusal(loadImages(folder, { kind: 'folders' }, { frame, shares }));
  expect(error.problems).toMatchObject([{ kind: 'duplicate', file: 'a/2.png' }]);
  const dataset = await loadImages(folder, { kind: 'folders' }, { frame, shares, duplicates: 'drop' });
  expect(dataset.examples.map((example) => example.path)).toEqual(['a/1.png', 'b/3.png']);
  expect(dataset.notes).toEqual(['1 copy of other pictures left out']);
  await writeFiles(folder, { 'b/4.png': whole });
  const conflict = await refusal(loadImages(folder, { kind: 'folders' }, { frame, shares, duplicates: 'drop' }));
  expect(conflict.problems).toMatchObject([{ kind: 'label-conflict', file: 'b/4.png', detail: 'the same picture is a/1.png with the label "a"' }]);
});

test('boxes are held against the upright picture: a size that differs is said instead of every box', async () => {
  const lying = await sharp(await picture(1))
    .withMetadata({ orientation: 6 })
    .jpeg()
    .toBuffer();
  const labels = (width: number, height: number): string =>
    JSON.stringify({
      images: [{ id: 1, file_name: 'a.jpg', width, height }],
      annotations: [{ id: 1, image_id: 1, category_id: 1, bbox: [2, 14, 10, 10] }],
      categories: [{ id: 1, name: 'nut' }],
    });
  await writeFiles(folder, { 'a.jpg': lying, 'upright.json': labels(16, 24), 'lying.json': labels(24, 16) });
  await loadImages(folder, { kind: 'coco', file: 'upright.json' }, { frame, shares });
  const error = await refusal(loadImages(folder, { kind: 'coco', file: 'lying.json' }, { frame, shares }));
  expect(error.problems).toEqual([{ kind: 'size-differs', file: 'a.jpg', at: 'image 1', detail: 'the labels are for 24x16, the upright picture has 16x24' }]);
});

test('a box may reach over the edge by the pixel that rounding takes, a slanted one by its corners, a point not at all', () => {
  const size = { width: 20, height: 10 };
  const faults = (object: { x: number; y: number; width?: number; height?: number; angle?: number }): number =>
    objectFaults({ path: 'a.png', split: 'train', label: -1, objects: [{ label: 0, ...object }] }, size).length;
  expect(faults({ x: 10, y: 5, width: 22, height: 12 })).toBe(0);
  expect(faults({ x: 10, y: 5, width: 22.1, height: 10 })).toBe(1);
  expect(faults({ x: 10, y: 5, width: 10, height: 12.1 })).toBe(1);
  expect(faults({ x: 19, y: 9, width: 30, height: 4, angle: 0.7 })).toBe(0);
  expect(faults({ x: 21, y: 9, width: 3, height: 4, angle: 0.7 })).toBe(1);
  expect(faults({ x: 20, y: 10 })).toBe(0);
  expect(faults({ x: -0.5, y: 5 })).toBe(1);
});

test('the check reports its progress to the last picture, and ends soon after it is cancelled', async () => {
  const names = Array.from({ length: 30 }, (_, at) => `${at}.png`);
  await writeFiles(folder, Object.fromEntries(await Promise.all(names.map(async (name, at) => [name, await picture(at)] as const))));
  await writeFiles(folder, { 'labels.csv': ['file,label', ...names.map((name) => `${name},nut`)].join('\n') });
  const { dataset } = await readCsv(folder, 'labels.csv', { shares });
  const seen: number[] = [];
  await checkImages(dataset, frame, { onProgress: ({ done, total }) => seen.push(done / total) });
  expect(seen).toEqual(names.map((_, at) => (at + 1) / 30));

  const cancel = new AbortController();
  let done = 0;
  const onProgress = (): void => {
    done += 1;
    if (done === 5) cancel.abort();
  };
  await expect(checkImages(dataset, frame, { onProgress, signal: cancel.signal, concurrency: 2 })).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(done).toBeLessThanOrEqual(6);
});

test('a file larger than the limit is not read, and a folder beside a wrong frame is not looked at', async () => {
  await writeFiles(folder, { 'a/1.png': await picture(1) });
  const error = await refusal(loadImages(folder, { kind: 'folders' }, { frame, shares, fileBytesMax: 100 }));
  expect(error.problems).toMatchObject([{ kind: 'too-large', file: 'a/1.png' }]);
  await expect(loadImages(folder, { kind: 'folders' }, { frame: { ...frame, width: 0 } })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  await expect(loadImages(path.join(os.tmpdir(), 'serin-there-is-no-such-folder'), { kind: 'folders' }, { frame })).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
});

test('the digest of a checked set changes with its pictures, labels and splits, and with nothing else', async () => {
  await writeFiles(folder, { 'a/1.png': await picture(1), 'b/2.png': await picture(2) });
  const digest = async (more: object = {}): Promise<string | undefined> => (await loadImages(folder, { kind: 'folders' }, { frame, shares, ...more })).digest;
  const first = await digest();
  expect(first).toMatch(/^[0-9a-f]{64}$/);
  expect(await digest({ concurrency: 1, frame: { ...frame, width: 30 } })).toBe(first);
  expect(await digest({ labels: ['b', 'a'] })).not.toBe(first);
  await writeFiles(folder, { 'b/2.png': await picture(3) });
  expect(await digest()).not.toBe(first);
});
