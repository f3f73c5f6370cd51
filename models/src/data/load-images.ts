import { checkImages, type CheckOptions } from './check-images.ts';
import type { ImageDataset, ReadOptions, Reading } from './dataset.ts';
import type { FrameSettings } from './decode.ts';
import { mergeProblems, refuseProblems } from './problems.ts';
import { readCoco } from './read-coco.ts';
import { readCsv } from './read-csv.ts';
import { readFolders } from './read-folders.ts';
import type { TextEncoding } from './records/encoding.ts';

/** How a folder says what its pictures show. Label files are named relative to the folder. */
export type Layout =
  | { readonly kind: 'folders' }
  | { readonly kind: 'csv'; readonly file: string; readonly encoding?: TextEncoding }
  | { readonly kind: 'coco'; readonly file: string; readonly images?: string };

export interface LoadOptions extends ReadOptions, CheckOptions {
  readonly frame: FrameSettings;
}

function readLayout(folder: string, layout: Layout, options: ReadOptions): Promise<Reading> {
  if (layout.kind === 'folders') return readFolders(folder, options);
  if (layout.kind === 'csv') return readCsv(folder, layout.file, { ...options, encoding: layout.encoding });
  return readCoco(folder, layout.file, { ...options, ...(layout.images === undefined ? {} : { images: layout.images }) });
}

/** A dataset in which nothing is wrong, or one error that lists all that is. */
export async function loadImages(folder: string, layout: Layout, options: LoadOptions): Promise<ImageDataset> {
  const read = await readLayout(folder, layout, options);
  const checked = await checkImages(read.dataset, options.frame, options);
  refuseProblems(mergeProblems([read.problems, checked.problems]));
  return checked.dataset;
}
