import { mkdir, symlink } from 'node:fs/promises';
import path from 'node:path';

import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { labelIndex, labelPlaces, sortLabels, splitOf, type Reading } from './dataset.ts';
import { pathBelow } from './folder.ts';
import { readCoco } from './read-coco.ts';
import { readCsv } from './read-csv.ts';
import { readFolders } from './read-folders.ts';
import { temporaryFolder, writeFiles } from './testing/pictures.ts';

let folder: string;
let remove: () => Promise<void>;
beforeEach(async () => {
  ({ folder, remove } = await temporaryFolder());
});
afterEach(() => remove());

const everythingTrains = { shares: { validation: 0, test: 0 } };
const said = ({ problems }: Reading): string[] =>
  problems.list.map(({ kind, file, at, detail }) => `${kind} ${file}${at === undefined ? '' : ` ${at}`}: ${detail}`);

test('a folder a class: labels in order, paths and labels, nothing of pictures', async () => {
  await writeFiles(folder, {
    'b/2.png': 'x',
    'b/deep/er/1.jpg': 'x',
    'a/3.png': 'x',
    'a/.hidden': 'x',
    'a/Thumbs.db': 'x',
    '.git/config': 'x',
    'readme.txt': 'x',
  });
  const reading = await readFolders(folder, everythingTrains);
  expect(said(reading)).toEqual([]);
  expect(reading.dataset).toMatchObject({ kind: 'classes', labels: ['a', 'b'], notes: ['1 file beside the folders of classes left out: readme.txt'] });
  expect(reading.dataset.examples.map((example) => [example.path, example.label])).toEqual([
    ['a/3.png', 0],
    ['b/2.png', 1],
    ['b/deep/er/1.jpg', 1],
  ]);
});

test('folders: pictures of no class, unknown and empty classes and links to folders are all named', async () => {
  await writeFiles(folder, { 'nut/1.png': 'x', 'screw/1.png': 'x', 'lost.png': 'x' });
  await mkdir(path.join(folder, 'bolt'));
  await symlink(path.join(folder, 'nut'), path.join(folder, 'loop'));
  await symlink(folder, path.join(folder, 'nut', 'up'));
  const reading = await readFolders(folder, { ...everythingTrains, labels: ['bolt', 'nut', 'washer'] });
  expect(said(reading).sort()).toEqual(
    [
      `class-empty ${path.basename(folder)}: class "bolt" has no example`,
      `class-empty ${path.basename(folder)}: class "washer" has no example`,
      'file-unreadable loop: links beside the folders of classes are not followed',
      'file-unreadable nut/up: links to folders are not followed',
      'label-missing lost.png: it lies in no folder of a class',
      'label-unknown screw: label "screw" is unknown; there are bolt, nut, washer',
    ].sort(),
  );
  expect(reading.dataset.examples.map((example) => example.path)).toEqual(['nut/1.png']);
});

test('an empty folder has no example, and one that is not there is said to be missing', async () => {
  expect(said(await readFolders(folder))).toEqual([`empty ${path.basename(folder)}: there is no usable example`]);
  await expect(readFolders(path.join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(readCsv(path.join(folder, 'nowhere'), 'labels.csv')).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('CSV of classes: byte order mark, CRLF, semicolons, quotes and backslashes are all read', async () => {
  await writeFiles(folder, { 'labels.csv': '\ufeffFile;Label;Comment\r\n"a;1.png";nut;x\r\nsub\\b.png; bolt ;\r\n\r\n./c.png;nut;"two\r\nlines"\r\n;;\r\n' });
  const reading = await readCsv(folder, 'labels.csv', everythingTrains);
  expect(said(reading)).toEqual([]);
  expect(reading.dataset.labels).toEqual(['bolt', 'nut']);
  expect(reading.dataset.examples.map((example) => [example.path, example.label, example.from])).toEqual([
    ['a;1.png', 1, 'row 2'],
    ['sub/b.png', 0, 'row 3'],
    ['c.png', 1, 'row 5'],
  ]);
});

test('CSV of classes: what is wrong is named by file and row, and the sound rows remain', async () => {
  await writeFiles(folder, {
    'labels.csv':
      'file,label\na.png,nut\nb.png,screw\nc.png,\n,nut\na.png,nut\na.png,bolt\n../out.png,nut\n/etc/passwd,nut\nd.png,7\ne.png,-1\nf.png,1\n"g.png,nut\nh.png,bolt\ni.png,nut,4\nj, k.png,nut\nl.png',
  });
  const reading = await readCsv(folder, 'labels.csv', { ...everythingTrains, labels: ['bolt', 'nut'] });
  expect(said(reading)).toEqual([
    'quote labels.csv row 13: a quote in column_1 is opened and never closed',
    'row-ragged labels.csv row 15: it has 3 fields, the header 2; a field with the delimiter in it needs quotes',
    'row-ragged labels.csv row 16: it has 3 fields, the header 2; a field with the delimiter in it needs quotes',
    'row-ragged labels.csv row 17: it has 1 field, the header 2; a field with the delimiter in it needs quotes',
    'label-unknown b.png row 3: label "screw" is unknown; there are bolt, nut',
    'label-missing c.png row 4: it has no label',
    'format labels.csv row 5: it names no file',
    'duplicate a.png row 6: it is in row 2 already',
    'label-conflict a.png row 7: it has another label in row 2',
    'path-escapes ../out.png row 8: the path leads out of the folder',
    'path-escapes /etc/passwd row 9: the path leads out of the folder',
    'label-out-of-range d.png row 10: label 7; labels are 0 to 1',
    'label-out-of-range e.png row 11: label -1; labels are 0 to 1',
  ]);
  // A number is a label's place where no label has that name.
  expect(reading.dataset.examples.map((example) => [example.path, example.label])).toEqual([
    ['a.png', 1],
    ['f.png', 1],
    ['h.png', 0],
  ]);
});

test('CSV of objects: boxes by their corner, points, angles in degrees, decimal commas, pictures without any', async () => {
  await writeFiles(folder, {
    'boxes.csv': 'image\tclass\tx\ty\twidth\theight\tangle\na.png\tnut\t10\t20\t4\t6\t\na.png\tbolt\t1,5\t2\t\t\t90\nb.png\t\t\t\t\t\t\n',
  });
  const reading = await readCsv(folder, 'boxes.csv', everythingTrains);
  expect(said(reading)).toEqual([]);
  expect(reading.dataset).toMatchObject({ kind: 'objects', labels: ['bolt', 'nut'] });
  expect(reading.dataset.examples.map((example) => [example.path, example.label, example.objects])).toEqual([
    [
      'a.png',
      -1,
      [
        { label: 1, x: 12, y: 23, width: 4, height: 6 },
        { label: 0, x: 1.5, y: 2, angle: Math.PI / 2 },
      ],
    ],
    ['b.png', -1, []],
  ]);
});

test('CSV of objects: numbers that are none, boxes that are none and objects given twice are named', async () => {
  await writeFiles(folder, {
    'boxes.csv':
      'file,label,x,y,w,h,angle\na.png,nut,1,2,3,4,\na.png,nut,1,2,3,4,\nb.png,nut,one,2,3,4,\nc.png,nut,1,,3,4,\nd.png,nut,1,2,-3,4,\ne.png,nut,1,2,3,,\nf.png,nut,1,2,3,4,1000\ng.png,,1,2,3,4,\nh.png,nut,Infinity,2,3,4,\n',
  });
  expect(said(await readCsv(folder, 'boxes.csv', everythingTrains))).toEqual([
    'duplicate a.png row 3: the picture has this very object already',
    'box-invalid b.png row 4: x is "one"',
    'box-invalid c.png row 5: y is missing',
    'box-invalid d.png row 6: a box of -3 by 4',
    'box-invalid e.png row 7: a box of 3 by 0',
    'box-invalid f.png row 8: angle is 1000; it must be from -360 to 360 degrees',
    'label-missing g.png row 9: it has no label',
    'box-invalid h.png row 10: x is "Infinity"',
  ]);
});

test.each([
  ['', 'it has no rows'],
  ['a.png,nut\nb.png,bolt\n', 'file, label is missing among a.png, nut'],
  ['file,label,x\n', 'y is missing'],
  ['file,label,x,y,w\n', 'h is missing'],
  ['file,label,w,h\n', 'x, y is missing'],
  ['file,label,label\n', 'its header names label 2 times'],
  ['file,label\n', 'there is no usable example'],
])('a CSV file that begins %j is refused as a whole', async (text, reason) => {
  await writeFiles(folder, { 'labels.csv': text });
  const reading = await readCsv(folder, 'labels.csv');
  expect(said(reading)).toEqual([expect.stringContaining(reason)]);
  expect(reading.dataset.examples).toEqual([]);
});

test('a label file that is missing, no text or no file is named', async () => {
  await writeFiles(folder, { 'labels.csv': Buffer.from([0x66, 0xe4, 0x0a]) });
  expect(said(await readCsv(folder, 'labels.csv'))).toEqual([expect.stringMatching(/^encoding labels.csv row 1: .* set encoding: 'windows-1252'/)]);
  expect(said(await readCsv(folder, 'other.csv'))).toEqual(['file-missing other.csv: there is no such file']);
  expect(said(await readCoco(folder, 'other.json'))).toEqual(['file-missing other.json: there is no such file']);
  expect(said(await readCsv(folder, '.'))).toEqual([expect.stringContaining('it is not a file')]);
});

test('a label file of another encoding is read when that is named, and one whose columns have no names as far as they matter', async () => {
  await writeFiles(folder, { 'labels.csv': Buffer.from(',file,label,,\n0,a.png,Schl\xfcssel,x,\n1,b.png,Schl\xfcssel,,y\n', 'latin1') });
  const western = await readCsv(folder, 'labels.csv', { ...everythingTrains, encoding: 'windows-1252' });
  expect(said(western)).toEqual([]);
  expect(western.dataset).toMatchObject({ labels: ['Schlüssel'], examples: [{ path: 'a.png' }, { path: 'b.png' }] });
  expect((await readCsv(folder, 'labels.csv', everythingTrains)).problems.list).toMatchObject([
    { kind: 'encoding', at: 'row 2' },
    { kind: 'encoding', at: 'row 3' },
    { kind: 'empty' },
  ]);
});

const coco = (parts: Record<string, unknown>): string =>
  JSON.stringify({
    images: [{ id: 1, file_name: 'a.png', width: 40, height: 30 }],
    annotations: [{ id: 5, image_id: 1, category_id: 3, bbox: [10, 20, 4, 6] }],
    categories: [{ id: 3, name: 'nut' }],
    ...parts,
  });

test('COCO: boxes by their centre, categories by their ids, pictures without annotations, and a note of what is left out', async () => {
  const text = coco({
    images: [
      { id: 1, file_name: 'a.png', width: 40, height: 30 },
      { id: 'two', file_name: 'sub/b.png' },
    ],
    annotations: [
      { id: 5, image_id: 1, category_id: 9, bbox: [10, 20, 4, 6], keypoints: [1, 2, 2], attributes: { rotation: 12 }, segmentation: [[1, 2, 3]] },
      { id: 6, image_id: 1, category_id: 3, bbox: [0, 0, 1, 1], iscrowd: 0, segmentation: [] },
      { id: 7, image_id: 1, category_id: 3, bbox: [0, 0, 9, 9], iscrowd: 1 },
    ],
    categories: [
      { id: 9, name: 'bolt' },
      { id: 3, name: 'nut' },
    ],
  });
  await writeFiles(folder, { 'annotations/train.json': text });
  const reading = await readCoco(folder, 'annotations/train.json', { ...everythingTrains, images: 'pictures' });
  expect(said(reading)).toEqual([]);
  expect(reading.dataset).toMatchObject({ kind: 'objects', labels: ['nut', 'bolt'] });
  expect(reading.dataset.notes).toEqual([
    'rotation of 1 annotation left out',
    'keypoints of 1 annotation left out',
    'segmentation of 1 annotation left out',
    'iscrowd regions of 1 annotation left out',
  ]);
  expect(reading.dataset.examples).toMatchObject([
    {
      path: 'pictures/a.png',
      from: 'image 1',
      stated: { width: 40, height: 30 },
      objects: [
        { label: 1, x: 12, y: 23, width: 4, height: 6 },
        { label: 0, x: 0.5, y: 0.5, width: 1, height: 1 },
      ],
    },
    { path: 'pictures/sub/b.png', from: 'image two', objects: [] },
  ]);
});

test('COCO: every wrong image, annotation and category is named by its id', async () => {
  const annotation = (id: number, rest: Record<string, unknown>): unknown => ({ id, image_id: 1, category_id: 3, bbox: [1, 1, 2, 2], ...rest });
  const text = coco({
    images: [
      { id: 1, file_name: 'a.png' },
      { id: 1, file_name: 'b.png' },
      { id: 2, file_name: '../../out.png' },
      { id: 3 },
      { file_name: 'c.png' },
      { id: 4, file_name: 'a.png' },
      null,
    ],
    annotations: [
      annotation(1, {}),
      annotation(2, {}),
      annotation(3, { image_id: 99 }),
      annotation(4, { category_id: 77 }),
      annotation(5, { category_id: 4 }),
      annotation(6, { bbox: [1, 2, 3] }),
      annotation(7, { bbox: [1, 2, 0, 4] }),
      annotation(8, { bbox: [1, 2, 'x', 4] }),
      annotation(9, { image_id: 2 }),
      'nonsense',
    ],
    categories: [{ id: 3, name: 'nut' }, { id: 4, name: 'screw' }, { id: 3, name: 'bolt' }, { id: 5, name: 'nut' }, { id: 6 }],
  });
  await writeFiles(folder, { 'coco.json': text });
  expect(said(await readCoco(folder, 'coco.json', { ...everythingTrains, labels: ['nut', 'washer'] }))).toEqual([
    'duplicate coco.json category 3: another category has this id',
    'duplicate coco.json category 5: another category is named "nut"',
    'format coco.json category number 5: a category needs an id and a name',
    'duplicate b.png image 1: another image has this id',
    'path-escapes ../../out.png image 2: the path leads out of the folder',
    'format coco.json image 3: its file_name is missing',
    'format coco.json image number 5: its id is missing',
    'format coco.json image number 7: its id is missing',
    'duplicate a.png annotation 2: the picture has this very object already',
    'file-missing coco.json annotation 3: there is no image 99',
    'label-out-of-range a.png annotation 4: there is no category 77',
    'label-unknown a.png annotation 5: category "screw" is not among the labels nut, washer',
    'box-invalid a.png annotation 6: its bbox is [1,2,3]; it must be [x, y, width, height]',
    'box-invalid a.png annotation 7: its bbox is [1,2,0,4]; it must be [x, y, width, height]',
    'box-invalid a.png annotation 8: its bbox is [1,2,"x",4]; it must be [x, y, width, height]',
    'file-missing coco.json annotation number 10: there is no image missing',
    'duplicate a.png image 4: it is image 1 already',
    'class-empty coco.json: class "washer" has no example',
  ]);
});

test.each([
  ['{"images":', /^format coco\.json: it is not JSON/],
  ['[]', /must have the lists images, annotations and categories/],
  ['null', /must have the lists/],
  [coco({ images: {} }), /must have the lists/],
  [coco({ images: [], annotations: [] }), /there is no usable example/],
])('a COCO file of %s is refused as a whole', async (text, reason) => {
  await writeFiles(folder, { 'coco.json': text });
  expect(said(await readCoco(folder, 'coco.json'))).toEqual([expect.stringMatching(reason)]);
});

test('a class whose every example was split off is named: it could not be learnt', async () => {
  const names = Array.from({ length: 200 }, (_, at) => `p${at}.png`);
  const held = names.find((name) => splitOf(name, { validation: 0.1, test: 0.1 }) !== 'train') ?? '';
  const kept = names.find((name) => splitOf(name, { validation: 0.1, test: 0.1 }) === 'train') ?? '';
  await writeFiles(folder, { 'labels.csv': `file,label\n${held},rare\n${kept},common\n` });
  expect(said(await readCsv(folder, 'labels.csv'))).toEqual(['class-empty labels.csv: class "rare" has 1 example, none of them to train on']);
});

test('the split follows from the id alone, in the shares wanted, and a larger test share only takes more', () => {
  const ids = Array.from({ length: 4000 }, (_, at) => `folder/${at}.png`);
  const shares = { validation: 0.2, test: 0.1 };
  const counts = { train: 0, validation: 0, test: 0 };
  for (const id of ids) {
    counts[splitOf(id, shares)] += 1;
    if (splitOf(id, shares) === 'test') expect(splitOf(id, { validation: 0.2, test: 0.3 })).toBe('test');
  }
  expect(counts.test / 4000).toBeCloseTo(0.1, 1);
  expect(counts.validation / 4000).toBeCloseTo(0.2, 1);
  // Pinned: examples that moved between splits would leak into what judges the model.
  const letters = { train: '.', validation: 'v', test: 't' };
  expect(Array.from({ length: 40 }, (_, at) => letters[splitOf(`folder/${at}.png`, shares)]).join('')).toBe('.t.t.........v.vv.v...v.v.......t....t..');
});

test('labels are put in the same order whatever order they came in, numbers by value', () => {
  expect(sortLabels(['10', '9', '0'])).toEqual(['0', '9', '10']);
  expect(sortLabels(['b', '10', 'a', '9', 'B'])).toEqual(['10', '9', 'B', 'a', 'b']);
  fc.assert(
    fc.property(fc.uniqueArray(fc.string({ maxLength: 3, unit: fc.constantFrom('0', '1', 'a', 'B') })), (labels) => {
      expect(sortLabels(labels.toReversed())).toEqual(sortLabels(labels));
    }),
  );
  expect(labelIndex(labelPlaces(['3', '4']), '3')).toBe(0);
  expect(labelIndex(labelPlaces(['3', '4']), '1')).toBe(1);
});

test('a path below the folder stays below it, however it is written', () => {
  const part = fc.constantFrom('..', '.', 'a', 'b c', '', '...', '..a');
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), fc.constantFrom('/', '\\'), (parts, separator) => {
      const below = pathBelow('/data/set', parts.join(separator));
      if (below === undefined) return;
      const whole = path.posix.join('/data/set', below);
      expect(whole.startsWith('/data/set/')).toBe(true);
      expect(below.split('/')).not.toContain('..');
    }),
  );
  expect(pathBelow('/data/set', '/data/set/a.png')).toBe('a.png');
  expect(pathBelow('/data/set', 'a/../../set/b.png')).toBe('b.png');
  expect(pathBelow('/data/set', '..a.png')).toBe('..a.png');
  for (const escape of ['..', '../set2/a.png', '/etc/passwd', 'C:\\a.png', 'a\0.png', '', 'a/../..']) expect(pathBelow('/data/set', escape)).toBeUndefined();
});
