import { seededRandom, type Random } from '@serin/inference/random';
import { embeddingOutput } from '@serin/inference/embedding';
import { takesFrames } from '@serin/protocol/bundle/manifest';
import { SerinError } from '@serin/protocol/errors';
import type { ImportSpec } from '@serin/protocol/import-spec';
import { gateSettings, quantiseSettings, type QuantiseSettings } from '@serin/protocol/pipeline';

import { addEmbedding } from '../deploy/embedding.ts';
import { probabilitiesOutput, withProbabilities } from '../deploy/heads.ts';
import { recalibrate, type Recalibration } from '../deploy/temperature.ts';
import { judge as judgeGate, type GateJudgement, type VariantEvidence } from '../evaluate/gate.ts';
import { measure, valueOn } from '../evaluate/measure.ts';
import { kindOf, type Judged } from '../evaluate/judged.ts';
import type { Compared, Measured, Robustness } from '../evaluate/measured.ts';
import { errorOfBins, reliabilityBins } from '../evaluate/reliability.ts';
import { drawTensor } from '../onnx/example-inputs.ts';
import type { Model } from '../onnx/graph.ts';
import { readModel } from '../onnx/model-file.ts';
import { summariseModel, summaryWords } from '../onnx/summary.ts';
import { makeVariants, type Variants } from '../package/make-variants.ts';
import type { TrainedVersion } from '../package/version.ts';
import { prepare } from '../quantise/prepare.ts';
import { throwIfCancelled } from '../train/cancellation.ts';
import { countParameters, weightDigest } from '../train/weights.ts';
import { askModel, frameBatch, type Frames, type Served, type Told } from './ask.ts';
import { judgeAnswers, truthOf } from './judge.ts';
import { compareServing, gainOf, guessing, servingWords } from './others.ts';
import { packImport } from './pack-import.ts';
import { readPictures, type ImportPictures } from './pictures.ts';
import { robustnessOf } from './shake.ts';
import { wrapModel, type Wrapped } from './wrap.ts';

export interface ImportRequest {
  readonly name: string;
  readonly model: Uint8Array;
  readonly spec: ImportSpec;
  /** Pictures like those the model will see; folders named after the classes say what they show. */
  readonly folder: string | undefined;
  /** The float file of the version that serves. */
  readonly champion?: { readonly version: number; readonly labels: readonly string[]; readonly model: Uint8Array } | undefined;
  readonly framesPerWindow: number;
}

export interface ImportProgress {
  readonly stage: 'check' | 'pictures' | 'quantise' | 'evaluate' | 'package';
  readonly fraction: number;
  readonly message: string;
}

export interface ImportOptions {
  readonly threads?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: ImportProgress) => void;
  readonly onNote?: (line: string) => void;
}

/** All that was found out about an import on its way to a version. */
export interface Imported {
  readonly request: ImportRequest;
  readonly wrapped: Wrapped;
  /** Float, as it is deployed. */
  readonly model: Model;
  readonly pictures: ImportPictures | undefined;
  readonly recalibration: Recalibration | undefined;
  readonly variants: Variants;
  readonly judgement: GateJudgement;
  readonly evidence: readonly VariantEvidence[];
  /** Of the float model, on pictures that say what they show. */
  readonly measured: Measured | undefined;
  readonly compared: { readonly version: number; readonly compared: Compared } | undefined;
  readonly robustness: Robustness | undefined;
  readonly calibration: { readonly error: number; readonly bins: ReturnType<typeof reliabilityBins> } | undefined;
  /** What float answers about the pictures to judge by. */
  readonly told: ReadonlyMap<string, Told> | undefined;
  readonly notes: readonly string[];
  readonly random: Random;
  readonly threads: number;
  readonly digest: string;
  readonly parameters: number;
}

const queriesMax = 32;
const embeddingRows = 500;

/** A model that was made elsewhere becomes a version: checked, made ready for raw frames, quantised, measured, judged and packed. */
export async function importModel(request: ImportRequest, options: ImportOptions = {}): Promise<TrainedVersion> {
  const { spec, folder } = request;
  const { signal, threads = 1 } = options;
  const notes: string[] = [];
  const note = (line: string): void => {
    notes.push(line);
    options.onNote?.(line);
  };
  const report = (stage: ImportProgress['stage'], fraction: number, message: string): void => {
    throwIfCancelled(signal);
    options.onProgress?.({ stage, fraction, message });
  };
  const random = seededRandom(spec.seed).fork('import');

  report('check', 0, 'checking the model');
  const original = readModel(request.model);
  note(`as it came: ${summaryWords(summariseModel(original))}`);
  const wrapped = wrapModel(original, spec);
  wrapped.notes.forEach(note);
  const pictures =
    folder === undefined ? undefined : await picturesFor(wrapped, folder, spec, (share, words) => report('pictures', 0.05 + 0.15 * share, words), signal);
  pictures?.notes.forEach(note);
  const { model: answering, recalibration } = await calibrateConfidence(wrapped, spec, pictures, { threads, signal });
  if (recalibration !== undefined)
    note(
      `confidence is divided by a temperature of ${recalibration.temperature.toFixed(2)}: off by ${(100 * recalibration.before).toFixed(1)} points before, ${(100 * recalibration.after).toFixed(1)} after, on pictures it was not learnt from`,
    );

  const embedded = await embed(answering, wrapped, spec, pictures, random, note);
  // Folded and in present operators, float is faster as well.
  const { model } = await prepare(embedded);

  report('quantise', 0.2, 'making variants');
  const settings = settingsOf(spec, pictures);
  const asking = { threads, signal };
  const told = pictures === undefined ? undefined : await askModel(model, wrapped, pictures.judge, asking);
  const judgeModel = (one: Model, frames: Frames, float: ReadonlyMap<string, Told>, labels: Int32Array | undefined): Promise<Judged> =>
    askModel(one, wrapped, frames, asking).then((answers) => judgeAnswers(answers, truthOf(wrapped, spec, float, labels)));
  // Layers are chosen by the pictures that ranges were learnt from: the others have no say in what they are to judge.
  const learnt = pictures === undefined ? undefined : await askModel(model, wrapped, pictures.learn, asking);
  const metric = async (one: Model): Promise<number> =>
    pictures === undefined || learnt === undefined ? 1 : valueOn(await judgeModel(one, pictures.learn, learnt, pictures.learn.labels));
  const queries = pictures === undefined ? examplesOf(model, random) : queriesOf(wrapped, pictures.judge);
  const variants = await makeVariants(
    { model, settings, calibration: pictures === undefined ? [] : calibrationOf(wrapped, pictures.learn, settings.samples), queries, metric, seed: spec.seed },
    { threads, signal, onNote: note, onProgress: (fraction, words) => report('quantise', 0.2 + 0.4 * (fraction ?? 0), words) },
  );

  report('evaluate', 0.6, 'judging');
  const judged = pictures === undefined || told === undefined ? undefined : judgeAnswers(told, truthOf(wrapped, spec, told, pictures.judge.labels));
  const isLabelled = pictures?.judge.labels !== undefined;
  const measured = judged === undefined || !isLabelled ? undefined : await measure(judged, { random: random.fork('intervals') });
  const compared = await compareServing(request, { wrapped, pictures, judged, random, asking, note });
  const robustness = await robustnessOf({ model, wrapped, spec, pictures, random, asking, report });
  const probabilities = told?.get(probabilitiesOutput);
  const calibration =
    !isLabelled || probabilities === undefined || pictures?.judge.labels === undefined ? undefined : confidenceOf(probabilities, pictures.judge.labels);
  const evidence = await evidenceOf(variants, { pictures, told, judged, judgeModel });
  const judgement = judgeGate(
    {
      metrics: measured === undefined ? {} : valuesOf(measured),
      part: `${pictures?.judge.count ?? 0} pictures`,
      main: { metric: judged?.main ?? 'accuracy', better: kindOf(judged?.main ?? 'accuracy').better },
      calibration,
      baseline: await guessing(judged, pictures, spec, random),
      serving: compared === undefined ? undefined : { low: gainOf(compared.compared)?.low ?? Number.NaN, words: servingWords(compared) },
      robustness,
      variants: evidence,
    },
    spec.gate ?? gateSettings.parse({}),
  );
  report('package', 0.9, judgement.verdict.passed ? 'passed its gate' : 'did not pass its gate');
  const [digest, parameters] = [await weightDigest(model), countParameters(model)];
  const packed = await packImport({
    request,
    wrapped,
    model,
    pictures,
    recalibration,
    variants,
    judgement,
    evidence,
    measured,
    compared,
    robustness,
    calibration,
    told,
    notes,
    random,
    threads,
    digest,
    parameters,
  });
  return { ...packed, gate: judgement.verdict, weightDigest: digest, parameters };
}

async function picturesFor(
  { frame }: Wrapped,
  folder: string,
  { labels, seed, input }: ImportSpec,
  onProgress: (fraction: number, words: string) => void,
  signal: AbortSignal | undefined,
): Promise<ImportPictures> {
  if (frame === undefined)
    throw new SerinError('CALIBRATION_MISFIT', {
      detail: 'the model takes no pictures',
      hint: 'Leave --calibrate out, or say in the spec how frames become its input',
    });
  // As the graph itself would fit a frame of another shape, so that pictures look to the network as the camera's will.
  const fit = input?.fit === 'letterbox' ? 'contain' : 'fill';
  return readPictures(folder, { frame: { ...frame, fit }, labels, seed, signal, onProgress });
}

async function calibrateConfidence(
  wrapped: Wrapped,
  { labels: names }: ImportSpec,
  pictures: ImportPictures | undefined,
  asking: { threads: number; signal: AbortSignal | undefined },
): Promise<{ model: Model; recalibration: Recalibration | undefined }> {
  const { model, task } = wrapped;
  const labels = pictures?.learn.labels;
  if (task !== 'image-classification' || pictures === undefined || labels === undefined) return { model, recalibration: undefined };
  const told = (await askModel(model, wrapped, pictures.learn, asking)).get(probabilitiesOutput);
  if (told === undefined) return { model, recalibration: undefined };
  // Logarithms of probabilities are logits as good as any.
  const recalibration = recalibrate(
    Float32Array.from(told.values, (value) => Math.log(Math.max(value, 1e-7))),
    labels,
    names.length,
  );
  return recalibration === undefined
    ? { model, recalibration }
    : { model: withProbabilities(model, { output: probabilitiesOutput, temperature: recalibration.temperature }), recalibration };
}

/** Beside its answer, what drift of the pictures as the network understands them is measured by. */
async function embed(
  model: Model,
  served: Wrapped,
  { embedding }: ImportSpec,
  pictures: ImportPictures | undefined,
  random: Random,
  note: (line: string) => void,
): Promise<Model> {
  const isThere = model.graph.outputs.some(({ name }) => name === embeddingOutput);
  if (!embedding || isThere || pictures === undefined || !takesFrames(served)) return model;
  try {
    return (await addEmbedding(model, { batches: calibrationOf(served, pictures.learn, embeddingRows), random: random.fork('embedding') })).model;
  } catch (error) {
    if (!(error instanceof SerinError) || error.code !== 'MODEL_UNSUPPORTED') throw error;
    note(`without an embedding: ${error.detail ?? error.message}`);
    return model;
  }
}

/** What needs no examples where there are none. */
function settingsOf({ quantise }: ImportSpec, pictures: ImportPictures | undefined): QuantiseSettings {
  if (quantise === 'never') return { ...quantiseSettings.parse({}), variants: [] };
  const settings = quantise === 'auto' ? quantiseSettings.parse({}) : quantise;
  return quantise === 'auto' && pictures === undefined ? { ...settings, variants: [] } : settings;
}

const calibrationOf = (served: Served, frames: Frames, samples: number) =>
  Array.from({ length: Math.min(samples, frames.count) }, (_, place) => frameBatch(served, frames, place));

const queriesOf = (served: Served, frames: Frames) => calibrationOf(served, frames, queriesMax);

/** Where there are no pictures: anything of the declared type and shape takes as long. */
const examplesOf = (model: Model, random: Random) => {
  const inputs = model.graph.inputs.filter(({ name }) => !model.graph.initialisers.has(name));
  const draw = random.fork('examples');
  return [
    Object.fromEntries(
      inputs.map((input) => [
        input.name,
        drawTensor(
          input,
          input.dims.map((dim) => (typeof dim === 'number' ? dim : 1)),
          draw.fork(input.name),
        ),
      ]),
    ),
  ];
};

function confidenceOf({ values, width }: Told, labels: Int32Array): NonNullable<Imported['calibration']> {
  const bins = reliabilityBins({ probabilities: values, labels, classes: width });
  return { error: errorOfBins(bins), bins };
}

interface Judging {
  readonly pictures: ImportPictures | undefined;
  readonly told: ReadonlyMap<string, Told> | undefined;
  readonly judged: Judged | undefined;
  readonly judgeModel: (model: Model, frames: Frames, float: ReadonlyMap<string, Told>, labels: Int32Array | undefined) => Promise<Judged>;
}

async function evidenceOf({ files, made }: Variants, { pictures, told, judged, judgeModel }: Judging): Promise<VariantEvidence[]> {
  const found: VariantEvidence[] = [];
  for (const { variant, bytes, latency, leftOut } of made) {
    const file = files.get(variant);
    const base = { variant, bytes, latency };
    if (leftOut !== undefined || file === undefined) found.push({ ...base, leftOut: leftOut ?? 'there is no file of it' });
    else if (variant === 'fp32') found.push(base);
    else if (pictures === undefined || told === undefined || judged === undefined)
      found.push({ ...base, leftOut: `${variant} was not measured against float: there are no examples. Give some with --calibrate` });
    else {
      const other = await judgeModel(readModel(file), pictures.judge, told, pictures.judge.labels);
      const { better } = kindOf(judged.main);
      found.push({ ...base, loss: { metric: judged.main, better, float: valueOn(judged), value: valueOn(other), examples: judged.rows } });
    }
  }
  return found;
}

const valuesOf = ({ metrics }: Measured): Record<string, number> =>
  Object.fromEntries(metrics.flatMap(({ name, estimate }) => (estimate === null ? [] : [[name, estimate.value] as const])));
