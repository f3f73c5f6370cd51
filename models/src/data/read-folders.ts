import { opendir } from 'node:fs/promises';
import path from 'node:path';

import { checkWhole, defaultShares, labelIndex, labelPlaces, limits, sortLabels, splitOf, type Example, type Reading, type ReadOptions } from './dataset.ts';
import { isHidden, openFolder, walkFiles } from './folder.ts';
import { addProblem, noProblems } from './problems.ts';

const imageName = /\.(jpe?g|png|webp|tiff?|gif)$/i;

/** A folder a class, with pictures at any depth below it. */
export async function readFolders(folder: string, { labels, shares = defaultShares }: ReadOptions = {}): Promise<Reading> {
  const root = await openFolder(folder);
  const problems = noProblems();
  const classes: string[] = [];
  const ignored: string[] = [];
  for await (const entry of await opendir(root)) {
    if (isHidden(entry.name)) continue;
    if (entry.isDirectory()) classes.push(entry.name);
    else if (entry.isSymbolicLink())
      addProblem(problems, { kind: 'file-unreadable', file: entry.name, detail: 'links beside the folders of classes are not followed' });
    else if (imageName.test(entry.name)) addProblem(problems, { kind: 'label-missing', file: entry.name, detail: 'it lies in no folder of a class' });
    else ignored.push(entry.name);
  }
  const known = labels ?? sortLabels(classes);
  const places = labelPlaces(known);
  const examples: Example[] = [];
  for (const name of sortLabels(classes)) {
    const label = labelIndex(places, name);
    if (typeof label !== 'number') {
      addProblem(problems, { kind: label.kind, file: name, detail: label.detail });
      continue;
    }
    for await (const file of walkFiles(root, name, problems)) {
      if (examples.length >= limits.examples) {
        addProblem(problems, { kind: 'too-large', file: path.basename(root), detail: `there are more than ${limits.examples} pictures` });
        break;
      }
      examples.push({ path: file, split: splitOf(file, shares), label, objects: [] });
    }
  }
  const notes =
    ignored.length === 0
      ? []
      : [`${ignored.length} file${ignored.length === 1 ? '' : 's'} beside the folders of classes left out: ${ignored.sort().slice(0, 5).join(', ')}`];
  const dataset = { kind: 'classes' as const, folder: root, labels: known, examples, notes };
  checkWhole(dataset, path.basename(root), problems);
  return { dataset, problems };
}
