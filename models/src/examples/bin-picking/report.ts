import { frameChannels, frameHeight, frameWidth, partKinds } from '@serin/inference/bin-scene/parameters';
import type { Report } from '@serin/protocol/bundle/report';
import { modelName } from '@serin/protocol/ids';

import { chanceError, errorOfBins } from '../../evaluate/reliability.ts';
import { buildReport, performanceOfMeasured, variantReports } from '../../report/build.ts';
import { readEnvironment } from '../../runs/environment.ts';
import type { BinSample } from './data.ts';
import type { BinFrames } from './frames.ts';
import type { JudgedVersion } from './judge.ts';
import type { BinPickingRequest } from './train.ts';
import { quantiseAs, type Deployed } from './variants.ts';

export interface ReportFacts {
  readonly request: BinPickingRequest;
  readonly frames: BinFrames;
  readonly deployed: Deployed;
  readonly judged: JudgedVersion;
  readonly parameters: number;
  readonly weightDigest: string;
  readonly threads: number;
}

/** What was found out about a version, for people. */
export function reportOf({ request, frames, deployed, judged, parameters, weightDigest, threads }: ReportFacts): Report {
  const { judgement, evidence, robustness } = judged;
  const labels = partKinds.map(({ label }) => label);
  return buildReport({
    model: modelName.parse(request.model ?? 'picker'),
    task: 'detection',
    description: 'Finds the kind, place and angle of parts in a bin.',
    labels,
    data: dataOf(request, frames),
    training: {
      seed: request.seed,
      parameters: {
        baseFrames: request.baseFrames,
        epochs: request.epochs,
        start: request.start === undefined ? 'from scratch' : request.start === 'starter' ? 'the starter' : 'a version in service',
        calibrator: quantiseAs.calibrator,
        ...(request.light === 'any' ? { light: 'any' } : { 'light.level': request.light.level, 'light.warmth': request.light.warmth }),
      },
      weights: parameters,
      weightDigest,
    },
    performance: performanceOf(deployed, judged, frames),
    variants: variantReports(evidence, judgement.variants, deployed.variants.made),
    robustness: { ...robustness, perturbed: [...robustness.perturbed], left: [...robustness.left], variant: judged.served },
    environment: readEnvironment(threads),
    gate: { passed: judgement.verdict.passed, checks: judgement.verdict.checks.map((check) => ({ ...check })) },
    assumptions: assumptionsOf(deployed, judged, frames),
  });
}

const partsOf = (samples: readonly BinSample[]) =>
  partKinds.map(({ label }, kind) => ({ label, count: samples.reduce((sum, { parts }) => sum + parts.filter((part) => part.label === kind).length, 0) }));

function dataOf({ baseFrames, epochs, samples = [] }: BinPickingRequest, { source, heldOut, more }: BinFrames): NonNullable<Report['data']> {
  const learnt = source.samples ?? [];
  const rendered = `${baseFrames * epochs} frames of parts in a bin, synthetic: drawn by a renderer, every pass others`;
  return {
    origin: samples.length === 0 ? `${rendered}.` : `${rendered}; and ${learnt.length + heldOut.length} different frames from devices, split by their content.`,
    parts: [
      { name: 'rendered to learn from', rows: baseFrames * epochs },
      ...(learnt.length === 0 ? [] : [{ name: 'from devices to learn from', rows: learnt.length, labels: partsOf(learnt) }]),
      { name: 'held out to judge by', rows: heldOut.length, labels: partsOf(heldOut) },
      ...(more.length === 0 ? [] : [{ name: 'rendered to compare variants by', rows: more.length, labels: partsOf(more) }]),
    ],
    frame: { width: frameWidth, height: frameHeight, channels: frameChannels },
  };
}

function performanceOf({ scores }: Deployed, { measured, compared, bins }: JudgedVersion, { heldOut }: BinFrames): NonNullable<Report['performance']> {
  const main = measured.metrics.find((metric) => metric.name === measured.main);
  const ofClasses = main?.slices.filter(({ column }) => column === 'class') ?? [];
  return {
    part: 'held-out frames',
    examples: heldOut.length,
    ...performanceOfMeasured(measured, compared === undefined ? undefined : { version: null, compared }),
    calibration: { error: errorOfBins(bins), chance: chanceError(bins), temperature: scores?.temperature ?? 1, bins: [...bins] },
    classes: { metric: measured.main, items: ofClasses.map(({ value, count, estimate }) => ({ label: value, value: estimate?.value ?? null, count })) },
  };
}

const points = (share: number): string => `${(100 * share).toFixed(1)} points`;

function assumptionsOf({ scores, variants }: Deployed, { measured, served }: JudgedVersion, { heldOut, more, unseen }: BinFrames): string[] {
  return [
    `All figures are of ${served}, which most devices run, on ${heldOut.length} frames that no weight has looked at and nothing was chosen by.`,
    `Intervals hold for frames drawn independently from scenes like these; ${measured.repeats} resamples.`,
    ...(more.length === 0 ? [] : [`What a variant loses is the mAP on these and ${more.length} more rendered frames.`]),
    scores === undefined
      ? 'Scores are as the network gives them: no scale made them more honest on every split.'
      : `Logits of scores are divided by ${scores.temperature.toFixed(2)} and moved by ${scores.shift.toFixed(2)}, learnt from ${unseen.length} rendered frames: they were off by ${points(scores.before)} and are by ${points(scores.after)}, on frames it was not learnt from.`,
    ...variants.latency.notes,
    ...measured.notes,
  ];
}
