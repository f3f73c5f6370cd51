import { detectionFields, detectionScoreMin, meanScore, readDetections } from '@serin/inference/detections';
import { embeddingOutput } from '@serin/inference/embedding';
import { readProbabilities } from '@serin/inference/postprocess';
import { confidenceStatistic } from '@serin/inference/records';
import { takesFrames, type BundlePart, type Manifest } from '@serin/protocol/bundle/manifest';
import { reportPath } from '@serin/protocol/bundle/report';
import { SerinError } from '@serin/protocol/errors';

import { detectionsOutput } from '../deploy/detections.ts';
import { probabilitiesOutput } from '../deploy/heads.ts';
import { drawTensor } from '../onnx/example-inputs.ts';
import type { Model, ValueInfo } from '../onnx/graph.ts';
import { chooseGolden, type NamedTensors } from '../package/golden.ts';
import { pictureStatistics } from '../package/picture-statistics.ts';
import { fittingWindow, makeProfile, type ProfileOptions } from '../package/profile.ts';
import { emptyProfile } from '../package/ready-model.ts';
import { jsonBytes, type TrainedVersion } from '../package/version.ts';
import { frameBatch } from './ask.ts';
import { importReport } from './import-report.ts';
import type { Imported } from './import-model.ts';

const goldenCount = 8;
const candidatesMax = 64;

/** The files of the version: every variant that passed with golden vectors of its own, what drift is measured by, and the report. */
export async function packImport(imported: Imported): Promise<Omit<TrainedVersion, 'gate' | 'weightDigest' | 'parameters'>> {
  const { request, wrapped, model, variants, judgement, random, measured } = imported;
  const files: BundlePart[] = [];
  const shipped = judgement.variants.filter(({ ships }) => ships).map(({ variant }) => variant);
  // What most devices take comes first.
  for (const variant of shipped.toSorted((one, other) => Number(one === 'fp32') - Number(other === 'fp32'))) {
    const bytes = variants.files.get(variant);
    if (bytes === undefined) continue;
    const golden = await chooseGolden({
      model: bytes,
      variant,
      candidates: goldenCandidates(imported),
      count: goldenCount,
      random: random.fork(`golden/${variant}`),
    });
    files.push({ role: 'model', variant, path: `model.${variant}.onnx`, bytes });
    files.push({ role: 'golden', variant, path: `golden.${variant}.json`, bytes: jsonBytes(golden) });
  }
  files.push({ role: 'profile', path: 'profile.json', bytes: jsonBytes(profileOf(imported)) });
  files.push({ role: 'report', path: reportPath, bytes: jsonBytes(importReport(imported)) });
  const metrics = Object.fromEntries((measured?.metrics ?? []).flatMap(({ name, estimate }) => (estimate === null ? [] : [[name, estimate.value] as const])));
  return { files, task: wrapped.task, labels: request.spec.labels, inputs: specsOf(model, 'inputs'), outputs: specsOf(model, 'outputs'), metrics };
}

/** Real pictures; where there are none, anything of the declared types. */
function* goldenCandidates({ wrapped, pictures, model, random }: Imported): Generator<NamedTensors> {
  if (pictures !== undefined) {
    for (let place = 0; place < Math.min(candidatesMax, pictures.judge.count); place += 1) yield frameBatch(wrapped, pictures.judge, place);
    return;
  }
  const inputs = model.graph.inputs.filter(({ name }) => !model.graph.initialisers.has(name));
  for (let round = 0; round < candidatesMax; round += 1)
    yield Object.fromEntries(
      inputs.map((input) => [
        input.name,
        drawTensor(
          input,
          input.dims.map((dim) => (typeof dim === 'number' ? dim : 1)),
          random.fork(`golden/${round}/${input.name}`),
        ),
      ]),
    );
}

const dtypes = ['uint8', 'int8', 'int32', 'int64', 'float32', 'bool'] as const;

function specsOf({ graph }: Model, which: 'inputs' | 'outputs'): Manifest['inputs'] {
  return graph[which]
    .filter(({ name }) => !graph.initialisers.has(name))
    .map(({ name, type, dims }: ValueInfo) => {
      const dtype = dtypes.find((one) => one === type);
      if (dtype === undefined)
        throw new SerinError('MODEL_UNSUPPORTED', {
          detail: `${name} has element type ${type}`,
          hint: `Inputs and outputs may be ${dtypes.join(', ')}: cast inside the model`,
        });
      return { name, dtype, shape: dims.map((dim) => (typeof dim === 'number' ? dim : -1)) };
    });
}

/** Of pictures that ranges and temperatures were not learnt from. */
function profileOf(imported: Imported): ReturnType<typeof makeProfile> {
  const { request, wrapped, pictures, random, recalibration, told } = imported;
  const { task, frame } = wrapped;
  if (pictures === undefined || frame === undefined) return emptyProfile(wrapped.model.graph.inputs, takesFrames({ task }) ? request.spec.labels.length : 0);
  const answers = answersOf(imported);
  const embeddings = told?.get(embeddingOutput);
  return makeProfile({
    statistics: { ...pictureStatistics(pictures.judge.pixels, frame), ...(answers === undefined ? {} : { [confidenceStatistic]: answers.frames }) },
    framesPerWindow: fittingWindow(pictures.judge.count, request.framesPerWindow),
    random: random.fork('profile'),
    origin: `${pictures.judge.count} of the pictures that came with the model`,
    ...(embeddings === undefined ? {} : { embeddings }),
    ...(answers === undefined
      ? {}
      : {
          answers: { ...answers.each, labels: request.spec.labels.length, ...(recalibration === undefined ? {} : { temperature: recalibration.temperature }) },
        }),
  });
}

interface Answers {
  /** Confidence by frame. */
  readonly frames: Float64Array;
  readonly each: Pick<NonNullable<ProfileOptions['answers']>, 'predicted' | 'confidence' | 'truth'>;
}

function answersOf({ wrapped: { task }, told, pictures }: Imported): Answers | undefined {
  const found = told?.get(task === 'detection' ? detectionsOutput : probabilitiesOutput);
  if (found === undefined || !takesFrames({ task })) return undefined;
  const { values, width } = found;
  const count = values.length / width;
  if (task === 'image-classification') {
    const said = Array.from({ length: count }, (_, row) => readProbabilities(values, width, row * width));
    const confidence = Float64Array.from(said, (one) => one.confidence);
    const truth = pictures?.judge.labels;
    return { frames: confidence, each: { predicted: Int32Array.from(said, ({ label }) => label), confidence, ...(truth === undefined ? {} : { truth }) } };
  }
  const said = Array.from({ length: count }, (_, row) => readDetections(values, width / detectionFields, row * width, detectionScoreMin));
  const all = said.flat();
  return {
    frames: Float64Array.from(said, meanScore),
    each: { predicted: Int32Array.from(all, ({ label }) => label), confidence: Float64Array.from(all, ({ score }) => score) },
  };
}
