import { seededRandom } from '@serin/inference/random';
import { decodeTrees, encodeTrees } from '@serin/inference/trees/encode';
import { variant as variantNames, type BundlePart, type Variant } from '@serin/protocol/bundle/manifest';
import type { Preprocessing } from '@serin/protocol/bundle/preprocessing';
import { reportPath, type Report } from '@serin/protocol/bundle/report';
import type { ColumnSummary } from '@serin/protocol/api/datasets';
import type { ParameterValue } from '@serin/protocol/api/runs';

import type { ElementType, Model } from '../../onnx/graph.ts';
import { readModel } from '../../onnx/model-file.ts';
import { chooseGolden, type NamedTensors } from '../../package/golden.ts';
import { fittingWindow, makeProfile } from '../../package/profile.ts';
import { jsonBytes, type TrainedVersion } from '../../package/version.ts';
import { feederOf } from '../answers.ts';
import { calibratedTrees, type Calibration } from '../calibration.ts';
import { readFacts } from '../facts.ts';
import { decodeJson, decodePart, encodeJson, type LearningFacts, type Part } from '../part.ts';
import { referenceOf } from '../reference.ts';
import type { Artifact, Stage, StageContext } from '../stage.ts';
import { reportOfVersion, toldSettings, type VersionFacts } from '../version-report.ts';
import type { Evaluated, JudgedTest } from './evaluate.ts';
import { modelArtifact, readFound, readRobustness, readVerdict } from './gate.ts';
import { deployedModel } from './quantise.ts';
import type { ModelFacts } from './train.ts';

/** The version without the bytes of its files, which are outputs of their own. */
export interface PackedVersion extends Omit<TrainedVersion, 'files'> {
  readonly files: readonly { readonly role: BundlePart['role']; readonly variant?: Variant; readonly path: string }[];
}

const goldenRows = { table: 32, text: 16, images: 4 } as const;
/** Half a minute of one picture a second, or so many records. */
const perWindow = { table: 100, text: 100, images: 30 } as const;

export const pack: Stage = {
  name: 'package',
  modules: () => [new URL(import.meta.url)],
  settings: ({ file, inputs }) => ({ name: file.name, seed: file.seed, told: toldSettings(file), ingest: 'dataset' in file.ingest ? file.ingest : inputs }),
  reads: ({ file }) => [
    'split/train.bin',
    'split/validation.bin',
    'split/test.bin',
    'split/facts.json',
    'split/asked.json',
    'validate/columns.json',
    ...(file.search === undefined ? [] : (['search/best.json'] as const)),
    'evaluate/judged.json',
    'evaluate/robustness.json',
    'train/model.onnx',
    'train/model.json',
    'train/explainer.bin',
    'evaluate/evaluation.json',
    'evaluate/model.onnx',
    ...variantNames.options.filter((name) => name !== 'fp32').map(modelArtifact),
    'gate/verdict.json',
    'gate/found.json',
  ],
  runtime: true,
  run: async (context) => {
    const facts = decodeJson<LearningFacts>(await context.read('split/facts.json'));
    const trained = decodeJson<ModelFacts>(await context.read('train/model.json'));
    const evaluated = decodeJson<Evaluated>(await context.read('evaluate/evaluation.json'));
    const test = decodePart(await context.read('split/test.bin'));
    const found = await readFound(context);
    const task = facts.kind === 'images' ? 'image-classification' : facts.kind;
    const report = jsonBytes(await reportOf(context, { task, trained, evaluated, found, test }));
    const verdict = await readVerdict(context);
    // What was measured is told of a version that does not go out, too.
    if (!verdict.passed) return { words: 'the gate did not let it pass', skipped: true, outputs: { [reportPath]: report } };
    const bytes = await deployedModel(context);
    const preprocessing = trained.preprocessing ?? undefined;
    const random = seededRandom(context.plan.file.seed).fork('package');
    const variants: [Variant, Uint8Array][] = [];
    for (const { variant } of found.variants.filter(({ ships }) => ships))
      variants.push([variant, variant === 'fp32' ? bytes : await context.read(modelArtifact(variant))]);
    // What most devices take comes first.
    variants.sort(([one], [other]) => Number(one === 'fp32') - Number(other === 'fp32'));
    const files: BundlePart[] = [];
    for (const [variant, model] of variants) {
      files.push({ role: 'model', variant, path: `model.${variant}.onnx`, bytes: model });
      files.push({
        role: 'golden',
        variant,
        path: `golden.${variant}.json`,
        bytes: jsonBytes(await goldenOf(context, model, variant, preprocessing, test, facts)),
      });
    }
    context.progress(null, 'the reference that drift is measured by');
    const { positive, calibration } = evaluated;
    const { threshold } = evaluated.deciding;
    const decision = threshold === null || positive === null ? undefined : { label: positive, threshold };
    const reference = await referenceOf({
      model: variants[0]?.[1] ?? bytes,
      trained,
      part: test,
      facts,
      // Devices decide so on records alone.
      decision: facts.kind === 'images' ? undefined : decision,
      calibration,
      signal: context.signal,
    });
    const framesPerWindow = fittingWindow(test.rows, perWindow[facts.kind]);
    const profile = makeProfile({ ...reference, framesPerWindow, random: random.fork('profile'), origin: `${test.rows} records of the test part` });
    files.push({ role: 'profile', path: 'profile.json', bytes: jsonBytes(profile) });
    if (preprocessing !== undefined) files.push({ role: 'preprocessing', path: 'preprocessing.json', bytes: jsonBytes(preprocessing) });
    if (context.has('train/explainer.bin')) files.push({ role: 'explainer', path: 'explainer.bin', bytes: await explainerOf(context, calibration) });
    const model = readModel(bytes);
    files.push({ role: 'report', path: reportPath, bytes: report });
    const version: PackedVersion = {
      files: files.map(({ role, variant, path }) => ({ role, ...(variant === undefined ? {} : { variant }), path })),
      task,
      labels: facts.labels,
      inputs: specsOf(model, 'inputs'),
      outputs: specsOf(model, 'outputs'),
      metrics: { ...evaluated.metrics, ...(threshold === null ? {} : { threshold }) },
      ...(decision === undefined ? {} : { decision }),
      gate: verdict,
      weightDigest: trained.weightDigest,
      parameters: trained.parameters,
    };
    const total = files.reduce((sum, file) => sum + file.bytes.length, 0);
    return {
      words: `${files.length} files, ${total.toLocaleString('en')} bytes`,
      outputs: { ...Object.fromEntries(files.map((file) => [file.path, file.bytes])), 'version.json': encodeJson(version) },
    };
  },
};

type Known = Pick<VersionFacts, 'task' | 'trained' | 'evaluated' | 'found'> & { readonly test: Part };

async function reportOf(context: StageContext, { test, ...known }: Known): Promise<Report> {
  const { plan, threads } = context;
  const json = async <Value>(artifact: Artifact): Promise<Value | undefined> =>
    context.has(artifact) ? decodeJson<Value>(await context.read(artifact)) : undefined;
  const labelsOf = async (name: 'train' | 'validation') => decodePart(await context.read(`split/${name}.bin`)).labels;
  return reportOfVersion({
    ...known,
    plan,
    threads,
    facts: await readFacts(context),
    labelsByPart: { train: await labelsOf('train'), validation: await labelsOf('validation'), test: test.labels },
    columns: (await json<ColumnSummary[]>('validate/columns.json')) ?? [],
    chosen: plan.file.search === undefined ? {} : ((await json<Record<string, ParameterValue>>('search/best.json')) ?? {}),
    series: context.seriesOf('train'),
    judged: decodeJson<JudgedTest>(await context.read('evaluate/judged.json')),
    made: known.found.made,
    robustness: await readRobustness(context),
    verdict: await readVerdict(context),
  });
}

async function explainerOf(context: StageContext, calibration: Calibration | null): Promise<Uint8Array> {
  const bytes = await context.read('train/explainer.bin');
  return calibration === null ? bytes : encodeTrees(calibratedTrees(decodeTrees(bytes), calibration));
}

/** The version as its files and facts lie in the cache. */
export async function readVersion(read: (name: string) => Promise<Uint8Array>): Promise<TrainedVersion> {
  const packed = decodeJson<PackedVersion>(await read('version.json'));
  const files = await Promise.all(packed.files.map(async (file): Promise<BundlePart> => ({ ...file, bytes: await read(file.path) })));
  return { ...packed, files };
}

const dtypes: Partial<Record<ElementType, TrainedVersion['inputs'][number]['dtype']>> = { uint8: 'uint8', int64: 'int64', float32: 'float32' };

const specsOf = ({ graph }: Model, which: 'inputs' | 'outputs'): TrainedVersion['inputs'] =>
  graph[which].map(({ name, type, dims }) => ({ name, dtype: dtypes[type] ?? 'float32', shape: dims.map((dim) => (typeof dim === 'number' ? dim : -1)) }));

/** Real records, one a vector, as a device will be asked. */
function goldenOf(
  { plan, signal }: StageContext,
  model: Uint8Array,
  variant: Variant,
  preprocessing: Preprocessing | undefined,
  test: Part,
  facts: LearningFacts,
) {
  const feeder = feederOf(preprocessing, test, facts.frame);
  function* candidates(): Generator<NamedTensors> {
    for (let row = 0; row < test.rows; row += 1) yield feeder(row, row + 1);
  }
  const random = seededRandom(plan.file.seed).fork('golden');
  return chooseGolden({ model, variant, candidates: candidates(), count: goldenRows[facts.kind], random, signal });
}
