import { frameChannels, frameHeight, frameWidth, partKinds } from '@serin/inference/bin-scene/parameters';
import { modelName } from '@serin/protocol/ids';
import type { Report, ReportMetric } from '@serin/protocol/bundle/report';

import { shareInterval } from '../../evaluate/compare.ts';
import type { DetectionEvaluation } from '../../evaluate/detection.ts';
import type { QuantiseReport } from '../../quantise/report.ts';
import { buildReport, cut, cutWords, variantReports } from '../../report/build.ts';
import { readEnvironment } from '../../runs/environment.ts';
import type { DetectorJudgement } from './gate.ts';

export interface DetectorFacts {
  readonly model: string;
  /** Frames that were rendered, and those that came from devices. */
  readonly frames: { readonly rendered: number; readonly fromDevices: number; readonly heldOut: number };
  readonly settings: Readonly<Record<string, number | string>>;
  readonly seed: number;
  readonly weights: number;
  readonly weightDigest: string;
  readonly float: DetectionEvaluation;
  readonly quantised: DetectionEvaluation;
  readonly champion: DetectionEvaluation | undefined;
  readonly judgement: DetectorJudgement;
  readonly bytes: { readonly fp32: number; readonly u8s8: number };
  readonly quantising: QuantiseReport;
  readonly threads: number;
}

const leftShown = 200;

/** What is known of a version of the bin picker when it is packaged. */
export function detectorReport(facts: DetectorFacts): Report {
  const { model, frames, settings, seed, weights, weightDigest, float, quantised, champion, judgement, quantising, bytes, threads } = facts;
  const served = judgement.served === 'u8s8' ? quantised : float;
  const { left } = quantising;
  const made = {
    variant: 'u8s8' as const,
    quantised: quantising.quantised.length,
    leftCount: left.length,
    left: left.slice(0, leftShown).map(({ node, operator, words }) => ({ node: cut(node), operator: cut(operator, 64), words: cutWords(words) })),
  };
  const loss = { metric: 'map50', better: 'higher', float: float.map50, value: quantised.map50, examples: quantised.frames } as const;
  return buildReport({
    model: modelName.parse(model),
    task: 'detection',
    labels: partKinds.map(({ label }) => label),
    data: {
      origin:
        frames.fromDevices === 0
          ? 'Synthetic: frames of a rendered bin, drawn anew for every pass; the frames it is judged by are drawn apart.'
          : `${frames.fromDevices} labelled frames from devices, and synthetic ones: frames of a rendered bin, drawn anew for every pass.`,
      frame: { width: frameWidth, height: frameHeight, channels: frameChannels },
      parts: [
        { name: 'rendered', rows: frames.rendered },
        ...(frames.fromDevices === 0 ? [] : [{ name: 'from devices', rows: frames.fromDevices }]),
        { name: 'held out', rows: frames.heldOut },
      ],
    },
    training: { seed, parameters: { ...settings }, weights, weightDigest },
    performance: {
      part: `held-out frames with ${served.parts} parts`,
      examples: served.frames,
      main: 'framesRight',
      metrics: metricsOf(served, champion),
      ...(champion === undefined || judgement.comparison === undefined ? {} : { serving: servingOf(judgement.comparison) }),
      classes: { metric: 'averagePrecision', items: partKinds.map(({ label }, place) => ({ label, value: served.averagePrecision[place] ?? null })) },
    },
    variants: variantReports(
      [
        { variant: 'u8s8', bytes: bytes.u8s8, loss },
        { variant: 'fp32', bytes: bytes.fp32 },
      ],
      judgement.variants,
      [made],
    ),
    environment: readEnvironment(threads),
    gate: { passed: judgement.verdict.passed, checks: judgement.verdict.checks.map((check) => ({ ...check })) },
    assumptions: [
      `Figures are of ${judgement.served}, which most devices run.`,
      'The interval of frames that serve is exact (Clopper and Pearson), and that against the serving version holds at any number of frames; both take frames as independent draws of what the cameras see.',
      'The other figures stand without intervals.',
    ],
  });
}

function servingOf({ difference, interval: [low, high], wins, losses }: NonNullable<DetectorJudgement['comparison']>) {
  return { version: null, metric: 'framesRight', gain: { value: difference, low, high }, wins, losses };
}

function metricsOf(served: DetectionEvaluation, champion: DetectionEvaluation | undefined): ReportMetric[] {
  const right = Math.round(served.rightShare * served.frames);
  const [low, high] = shareInterval(right, served.frames, 0.05);
  const metric = (name: string, better: ReportMetric['better'], unit: ReportMetric['unit'], of: (evaluation: DetectionEvaluation) => number): ReportMetric => ({
    name,
    better,
    unit,
    value: of(served),
    ...(champion === undefined ? {} : { serving: of(champion) }),
  });
  return [
    { ...metric('framesRight', 'higher', 'share', ({ rightShare }) => rightShare), low, high },
    metric('map50', 'higher', 'share', ({ map50 }) => map50),
    metric('recall', 'higher', 'share', ({ recall }) => recall),
    metric('centreErrorPx', 'lower', 'pixels', ({ centreError }) => centreError.median),
    metric('centreErrorPxP90', 'lower', 'pixels', ({ centreError }) => centreError.p90),
    metric('angleErrorDeg', 'lower', 'degrees', ({ angleError }) => angleError.median),
    metric('angleErrorDegP90', 'lower', 'degrees', ({ angleError }) => angleError.p90),
  ];
}
