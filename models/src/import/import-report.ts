import { modelName } from '@serin/protocol/ids';
import type { Report } from '@serin/protocol/bundle/report';

import type { Measured } from '../evaluate/measured.ts';
import { chanceError } from '../evaluate/reliability.ts';
import { buildReport, performanceOfMeasured, variantReports } from '../report/build.ts';
import { readEnvironment } from '../runs/environment.ts';
import type { Imported } from './import-model.ts';
import type { PictureSet } from './pictures.ts';

/** What was found out about a model that was made elsewhere. */
export function importReport(imported: Imported): Report {
  const { request, wrapped, pictures, measured, robustness, judgement, evidence, variants, notes, threads } = imported;
  const { labels } = request.spec;
  return buildReport({
    model: modelName.parse(request.name),
    task: wrapped.task,
    description: 'Made elsewhere and imported.',
    labels: [...labels],
    ...(pictures === undefined
      ? {}
      : {
          data: {
            origin: 'pictures that came with the model',
            parts: [partOf('to learn ranges and confidence from', pictures.learn, labels), partOf('to judge by', pictures.judge, labels)],
            ...(wrapped.frame === undefined ? {} : { frame: { ...wrapped.frame } }),
          },
        }),
    training: { seed: request.spec.seed, weights: imported.parameters, weightDigest: imported.digest },
    ...(measured === undefined ? {} : { performance: performanceOf(imported, measured) }),
    variants: variantReports(evidence, judgement.variants, variants.made),
    ...(robustness === undefined
      ? {}
      : { robustness: { ...robustness, perturbed: [...robustness.perturbed], left: [...robustness.left], variant: 'fp32' as const } }),
    environment: readEnvironment(threads),
    gate: { passed: judgement.verdict.passed, checks: judgement.verdict.checks.map((check) => ({ ...check })) },
    assumptions: [...assumptions(imported), ...notes],
  });
}

function partOf(name: string, { count, labels: known }: PictureSet, labels: readonly string[]) {
  if (known === undefined) return { name, rows: count };
  return { name, rows: count, labels: labels.slice(0, 1000).map((label, place) => ({ label, count: known.filter((one) => one === place).length })) };
}

function assumptions({ pictures, measured }: Imported): string[] {
  if (pictures === undefined) return ['No pictures came with it: nothing was measured but its latency, on random inputs.'];
  const half = 'Half of the pictures, chosen by their content, set ranges and confidence; all figures are of the other half.';
  return measured === undefined
    ? [half, 'Nothing says what the pictures show: variants are judged by how well they agree with float, which is taken for right.']
    : [half, `Intervals hold for pictures like these, drawn independently; ${measured.repeats} resamples.`];
}

function performanceOf({ compared, calibration, recalibration, pictures }: Imported, measured: Measured): NonNullable<Report['performance']> {
  return {
    part: 'the pictures to judge by',
    examples: pictures?.judge.count ?? 0,
    ...performanceOfMeasured(measured, compared),
    ...(calibration === undefined
      ? {}
      : {
          calibration: {
            error: calibration.error,
            chance: chanceError(calibration.bins),
            temperature: recalibration?.temperature ?? 1,
            bins: [...calibration.bins],
          },
        }),
  };
}
