import type { DataSpec, InputFile } from '@serin/protocol/api/datasets';
import type { ParameterValue, RunDetail, RunStage } from '@serin/protocol/api/runs';
import type { MetricName, PipelineFile, StageName } from '@serin/protocol/pipeline';

import type { TrainedVersion } from '../package/version.ts';

/** The version that serves now, as a new one is compared with it. */
export interface Champion {
  readonly version: number;
  readonly labels: readonly string[];
  /** The ONNX file of its float variant. */
  readonly model: Uint8Array;
  /** Its file of role `preprocessing`; a model of pictures has none. */
  readonly preprocessing?: Uint8Array | undefined;
  /** Its metrics, `threshold` among them where one was chosen. */
  readonly metrics?: Readonly<Record<string, number>> | undefined;
}

/** A version of a dataset, where the pipeline names one. */
export interface DatasetInput {
  readonly name: string;
  readonly version: number;
  readonly spec: DataSpec;
  readonly files: readonly InputFile[];
}

export interface PipelineRequest {
  readonly file: PipelineFile;
  /** Where the bytes of a file lie that the pipeline, or its dataset, names. */
  readonly inputs: (path: string) => string;
  /** Needed where `file.ingest` names a dataset. */
  readonly dataset?: DatasetInput | undefined;
  readonly cacheFolder: string;
  readonly cacheBytesMax?: number | undefined;
  readonly champion?: Champion | undefined;
  readonly threads: number;
  /** How often a training writes down where it stands; every 10 s unless said otherwise. */
  readonly checkpointSeconds?: number | undefined;
  /** Every stage again, whatever is cached. What comes out is cached all the same. */
  readonly fresh?: boolean | undefined;
  /** Overrides of `train` by name, `leaves` say: what a trial tries. */
  readonly parameters?: Readonly<Record<string, ParameterValue>> | undefined;
  /** Share of the trees or epochs that a trial gets. */
  readonly budget?: number | undefined;
  /** The last stage; `evaluate` with `parameters` is a trial, judged on the validation part alone. */
  readonly until?: StageName | undefined;
  /** Commit of the program, where the caller knows it better than `codeRevision`. */
  readonly code?: { readonly revision: string | null } | undefined;
}

export interface StageProgress {
  readonly stage: StageName;
  /** 0 to 1; null where nobody can tell. */
  readonly fraction: number | null;
  readonly message: string;
  /** So many things a second, in words: `120,000 rows/s`. */
  readonly rate: string | null;
  readonly remainingSeconds: number | null;
}

export type SeriesPoint = readonly [step: number, value: number];

export interface PipelineHooks {
  /** Whenever a stage changes its state. */
  readonly onStage?: ((stage: RunStage) => void) | undefined;
  /** A few times a second at most. */
  readonly onProgress?: ((progress: StageProgress) => void) | undefined;
  /** New points of one series, in order. */
  readonly onSeries?: ((name: string, points: readonly SeriesPoint[]) => void) | undefined;
  readonly onNote?: ((line: string) => void) | undefined;
  /** All that is known so far, after every stage: what a failed run leaves is the last of these. */
  readonly onReport?: ((report: PipelineReport) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly now?: (() => number) | undefined;
}

/** What the library can know of a run; who ran it, when and as which version the caller adds. */
export type PipelineReport = Pick<
  RunDetail,
  | 'seed'
  | 'code'
  | 'data'
  | 'parameters'
  | 'environment'
  | 'stages'
  | 'metrics'
  | 'baseline'
  | 'weightDigest'
  | 'gate'
  | 'series'
  | 'artifacts'
  | 'importance'
  | 'confusion'
  | 'intervals'
  | 'slices'
  | 'assumptions'
  | 'trials'
  | 'log'
>;

export interface PipelineResult {
  readonly report: PipelineReport;
  /** Only of a run to the end whose gate passed; where it did not, `report.gate` says by how much. */
  readonly version?: TrainedVersion;
  /** What was measured, as a version carries it; there once the gate has judged, whatever it said. */
  readonly versionReport?: Uint8Array;
  /** The metric that versions and trials are compared by, once the data is known. */
  readonly comparedBy?: MetricName;
  /** Of a trial: the metric of the pipeline on the validation part. */
  readonly metric?: number;
}
