import type { AugmentSettings } from './augmentation.ts';
import type { BatchSource } from './batch-source.ts';
import { fileBytesMaxDefault, type FileLimits } from './check-images.ts';
import type { Example, ImageDataset, SplitName } from './dataset.ts';
import { checkFrame, decodeImage, type FrameSettings } from './decode.ts';
import { FileProblem, readInside } from './folder.ts';
import { createByteCache } from './frame-cache.ts';
import { frameSource, type Frame } from './frame-source.ts';
import { liesWithin, place } from './placement.ts';
import { addProblem, noProblems, TrainingDataError } from './problems.ts';
import { classTargets, objectTargets, type Encode } from './targets.ts';

/** Plain data, so that a source can be opened in another thread. */
export interface ImageSourceOptions extends FileLimits {
  readonly dataset: ImageDataset;
  readonly split: SplitName;
  readonly frame: FrameSettings;
  readonly augment?: AugmentSettings | undefined;
  /** Name of the model's input. */
  readonly input?: string;
  /** Decoded frames that are kept in memory. */
  readonly cacheBytesMax?: number;
  readonly concurrency?: number;
}

export const cacheBytesMaxDefault = 512 * 2 ** 20;
/** About what an object costs beside its pixels. */
const objectBytes = 120;

/** Batches of the pictures of one split, decoded when they are wanted: memory holds the cache and a batch, however many there are. */
export function imageSource(options: ImageSourceOptions, encode: Encode = defaultEncode(options.dataset)): BatchSource {
  const { dataset, split, frame, cacheBytesMax = cacheBytesMaxDefault } = options;
  checkFrame(frame);
  const examples = dataset.examples.filter((example) => example.split === split);
  const cache = createByteCache<Frame>(cacheBytesMax);

  const load = async (index: number): Promise<Frame> => {
    const kept = cache.get(index);
    if (kept !== undefined) return kept;
    const loaded = await loadFrame(dataset.folder, examples[index] as Example, options);
    cache.put(index, loaded, loaded.pixels.length + loaded.objects.length * objectBytes);
    return loaded;
  };
  return frameSource({
    examples: examples.length,
    shape: frame,
    load,
    encode,
    input: options.input,
    augment: options.augment,
    concurrency: options.concurrency,
    close: () => Promise.resolve(cache.clear()),
  });
}

/** For the thread that prepares batches. */
export const createSource = (settings: unknown): BatchSource => imageSource(settings as ImageSourceOptions);

function defaultEncode({ kind, labels, examples }: ImageDataset): Encode {
  if (kind === 'classes') return classTargets(labels.length);
  return objectTargets(examples.reduce((most, { objects }) => Math.max(most, objects.length), 1));
}

async function loadFrame(folder: string, example: Example, { frame, fileBytesMax = fileBytesMaxDefault, ...limits }: ImageSourceOptions): Promise<Frame> {
  try {
    const { pixels, toFrame } = await decodeImage(await readInside(folder, example.path, fileBytesMax), frame, limits);
    const objects = example.objects.map((object) => place(toFrame, object)).filter((object) => liesWithin(object, frame));
    return { pixels, label: example.label, objects };
  } catch (error) {
    // It was sound when training began.
    if (!(error instanceof FileProblem)) throw error;
    const problems = noProblems();
    addProblem(problems, { kind: error.kind, file: example.path, detail: error.message });
    throw new TrainingDataError(problems);
  }
}
