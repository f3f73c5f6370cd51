import { seededRandom } from '@serin/inference/random';
import { SerinError, asSerinError } from '@serin/protocol/errors';

import { elementCount, type Model, type ValueInfo } from '../onnx/graph.ts';
import type { InferOptions } from '../onnx/infer-model.ts';
import { checkImport } from './check-import.ts';
import { importNetwork, type ImportOptions, type ImportedModel } from './import-model.ts';
import { openTfjsModel, type OpenTfjsOptions, type TfjsFiles } from './open-model.ts';
import { openTfjs, usualPlaces } from './runtime.ts';

export interface ImportFileOptions extends ImportOptions, OpenTfjsOptions {
  /** Sizes of open dimensions for the comparison. */
  readonly dimensions?: InferOptions['dimensions'];
  /** Whether to compare with tfjs where that is installed; without it, yes. */
  readonly compare?: boolean;
  /** Where to look for tfjs. */
  readonly places?: readonly string[];
  /** Told what a person may want to know, such as why nothing was compared. */
  readonly say: (text: string) => void;
}

export interface ImportedFile {
  readonly model: Model;
  /** What came in, a line each. */
  readonly lines: readonly string[];
}

/** Differences of this share of the largest output come from adding in another order. */
const toleranceShare = 1e-3;

/** Reads a Layers model from its folder and compares it with tfjs itself where it can. */
export async function importFile(file: string, options: ImportFileOptions): Promise<ImportedFile> {
  const files = await openTfjsModel(file, options);
  const imported = importNetwork(files.network, files.weights, options);
  const lines = [...describe(files, imported)];
  if (options.compare !== false) {
    const compared = await compare(files, imported, options);
    if (compared !== undefined) lines.push(compared);
  }
  return { model: imported.model, lines };
}

const valueText = ({ name, type, dims }: ValueInfo): string => `${name} ${type} [${dims.join(', ')}]`;

function* describe(files: TfjsFiles, { model, layers }: ImportedModel): Generator<string> {
  const parameters = [...files.weights.values()].reduce((sum, { dims }) => sum + elementCount(dims), 0);
  const total = [...layers.values()].reduce((sum, count) => sum + count, 0);
  const classes = [...layers].toSorted(([, a], [, b]) => b - a).map(([name, count]) => (count === 1 ? name : `${count} ${name}`));
  yield `${files.network.name}: ${total} layers became ${model.graph.nodes.length} nodes: ${classes.join(', ')}`;
  yield `${parameters} parameters, stored as ${files.stored.join(' and ') || 'nothing'}`;
  yield `inputs: ${model.graph.inputs.map(valueText).join('; ')}`;
  yield `outputs: ${model.graph.outputs.map(valueText).join('; ')}`;
}

/** What the comparison showed; undefined where there is nothing to compare with, which is said. */
async function compare(
  files: TfjsFiles,
  imported: ImportedModel,
  { dimensions = {}, places = usualPlaces(), say }: ImportFileOptions,
): Promise<string | undefined> {
  let name = '';
  let difference: number;
  try {
    const runtime = await openTfjs(places);
    ({ name } = runtime);
    difference = await checkImport(runtime, files, imported, seededRandom(1), { dimensions });
  } catch (error) {
    const coded = asSerinError(error);
    const why = name === '' ? '' : `${name} does not run it: `;
    say(`not compared with tfjs: ${why}${(coded.detail ?? coded.message).split('\n')[0] ?? ''}${name === '' ? `. ${coded.hint}` : ''}`);
    return undefined;
  }
  if (!(difference <= toleranceShare)) {
    throw new SerinError('MODEL_UNSUPPORTED', {
      detail: `imported, its outputs differ from those of ${name} by ${difference.toPrecision(2)} of the largest value`,
      hint: 'Nothing was written; --no-check writes it all the same',
    });
  }
  return `same outputs as ${name} on random inputs: they differ by ${difference.toPrecision(2)} of the largest value at most`;
}
