import path from 'node:path';

import { throwIfCancelled } from '../../train/cancellation.ts';
import { openFolder, readInside, walkFiles } from '../folder.ts';
import { addProblem, type Problems } from '../problems.ts';
import { batchRows, type RecordBatch } from './batch.ts';
import { decodeText } from './encoding.ts';
import { fileName, readBytes, recordLimits, reportFault, type ReadRecordsOptions } from './input.ts';
import { splitLines, type Line } from './split-lines.ts';

/** Texts are long: a batch is cut at this many letters as well. */
const batchLettersMax = 16 * 2 ** 20;

export function reportLine({ number, fault }: Line, file: string, lineBytesMax: number, problems: Problems): void {
  if (fault === undefined) return;
  const detail = fault === 'too-large' ? `it has more than ${lineBytesMax} bytes` : 'it is not UTF-8 text';
  addProblem(problems, { kind: fault === 'too-large' ? 'too-large' : 'format', file, at: `line ${number}`, detail });
}

/** A text a line, as records with the one column `text`; empty lines are none. */
export async function* readLines(file: string, options: ReadRecordsOptions): AsyncGenerator<RecordBatch> {
  const { problems } = options;
  const name = fileName(file, options);
  const lineBytesMax = options.limits?.lineBytesMax ?? recordLimits.lineBytesMax;
  let texts: string[] = [];
  let numbers: number[] = [];
  let letters = 0;
  const cut = (): RecordBatch => {
    const batch = { file: name, names: ['text'], columns: [texts], rows: texts.length, numbers: Int32Array.from(numbers) };
    [texts, numbers, letters] = [[], [], 0];
    return batch;
  };
  try {
    for await (const lines of splitLines(readBytes(file, options), lineBytesMax)) {
      for (const line of lines) {
        reportLine(line, name, lineBytesMax, problems);
        if (line.text === undefined || line.text.trim() === '') continue;
        texts.push(line.text);
        numbers.push(line.number);
        letters += line.text.length;
        if (texts.length >= batchRows || letters >= batchLettersMax) yield cut();
      }
    }
  } catch (error) {
    reportFault(error, name, problems);
  }
  if (texts.length > 0) yield cut();
}

export interface TextFolderOptions extends Omit<ReadRecordsOptions, 'onProgress' | 'name'> {
  readonly onProgress?: ((progress: { readonly files: number }) => void) | undefined;
}

/** A folder a class with a text a file, as records `text`, `label` (the folder) and `path`. */
export async function* readTextFolder(folder: string, options: TextFolderOptions): AsyncGenerator<RecordBatch> {
  const { problems, signal, onProgress } = options;
  const textBytesMax = options.limits?.lineBytesMax ?? recordLimits.lineBytesMax;
  const root = await openFolder(folder);
  const file = path.basename(root);
  let columns: [texts: string[], labels: string[], paths: string[]] = [[], [], []];
  let letters = 0;
  let files = 0;
  const cut = (): RecordBatch => {
    const rows = columns[0].length;
    const numbers = Int32Array.from({ length: rows }, (_, row) => files - rows + row + 1);
    const batch = { file, names: ['text', 'label', 'path'], columns, rows, numbers };
    [columns, letters] = [[[], [], []], 0];
    return batch;
  };
  for await (const below of walkFiles(root, '', problems)) {
    throwIfCancelled(signal);
    if (!/\.(txt|text)$/i.test(below)) continue;
    const [label = '', ...inside] = below.split('/');
    if (inside.length === 0) {
      addProblem(problems, { kind: 'label-missing', file: below, detail: 'it lies in no folder of a class' });
      continue;
    }
    const text = await readText(root, below, textBytesMax, problems);
    if (text === undefined) continue;
    columns[0].push(text);
    columns[1].push(label);
    columns[2].push(below);
    letters += text.length;
    files += 1;
    onProgress?.({ files });
    if (columns[0].length >= batchRows || letters >= batchLettersMax) yield cut();
  }
  if (columns[0].length > 0) yield cut();
}

async function readText(root: string, below: string, bytesMax: number, problems: Problems): Promise<string | undefined> {
  try {
    const text = decodeText(await readInside(root, below, bytesMax));
    if (text === undefined) addProblem(problems, { kind: 'format', file: below, detail: 'it is not UTF-8 text' });
    else if (text.trim() === '') addProblem(problems, { kind: 'empty', file: below, detail: 'it has no text' });
    else return text;
  } catch (error) {
    reportFault(error, below, problems);
  }
  return undefined;
}
