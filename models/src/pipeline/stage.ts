import type { Digest } from '@serin/protocol/ids';
import type { PipelineFile, StageName } from '@serin/protocol/pipeline';

import type { Champion, PipelineReport } from './request.ts';

/** A file that the pipeline reads, by what it is called and what is in it. */
export interface InputDigest {
  readonly path: string;
  readonly sha256: Digest;
  readonly bytes: number;
}

/** All that decides what a run computes. */
export interface Plan {
  readonly file: PipelineFile;
  readonly inputs: readonly InputDigest[];
  /** The schema the pipeline names, if any. */
  readonly schema: InputDigest | undefined;
  readonly champion: (Champion & { readonly sha256: Digest }) | undefined;
  /** A trial: no baseline, judged on the validation part alone. */
  readonly trial: boolean;
}

/** Parts of the record that a stage knows. */
export type ReportPart = Partial<
  Pick<PipelineReport, 'metrics' | 'baseline' | 'weightDigest' | 'gate' | 'importance' | 'confusion' | 'intervals' | 'slices' | 'assumptions' | 'trials'>
>;

/** What a stage leaves in the cache beside its outputs. */
export interface StageRecord {
  /** What it found, in one sentence. */
  readonly words: string;
  readonly report: ReportPart;
  /** Lines worth reading. */
  readonly notes: readonly string[];
  readonly series: Readonly<Record<string, readonly (readonly [number, number])[]>>;
  readonly skipped: boolean;
  readonly ms: number;
  /** Figures for later stages and the caller. */
  readonly facts: Readonly<Record<string, unknown>>;
}

export interface StageOutcome {
  readonly words: string;
  /** There turned out to be nothing to do; the words say why. */
  readonly skipped?: boolean;
  readonly outputs?: Readonly<Record<string, Uint8Array>>;
  readonly report?: ReportPart;
  readonly facts?: Readonly<Record<string, unknown>>;
}

/** What a stage reads: the output of another one. */
export type Artifact = `${StageName}/${string}`;

export interface StageContext {
  readonly plan: Plan;
  readonly threads: number;
  readonly signal: AbortSignal | undefined;
  readonly now: () => number;
  /** An output of an earlier stage that `reads` lists. */
  read(artifact: Artifact): Promise<Uint8Array>;
  has(artifact: Artifact): boolean;
  /** The curves that an earlier stage drew. */
  seriesOf(stage: StageName): StageRecord['series'];
  /** Where a file of the pipeline lies. */
  locate(path: string): string;
  /** For checkpoints: what lies there is found again after a kill. */
  readonly workFolder: string;
  readonly checkpointSeconds: number;
  progress(fraction: number | null, message: string, more?: { readonly rate?: string; readonly remainingSeconds?: number }): void;
  point(series: string, step: number, value: number): void;
  note(line: string): void;
  /** Runs another pipeline on the same cache, in this process: what a search does. */
  runTrial(file: PipelineFile): Promise<number>;
}

/** One row of the table of stages: what it reads decides its key, what it does is a function of that. */
export interface Stage {
  readonly name: StageName;
  /** Whose code decides what it makes, beside its own module. */
  readonly modules: (plan: Plan) => readonly URL[];
  /** The settings it reads, and nothing else. */
  readonly settings: (plan: Plan) => unknown;
  /** Outputs of earlier stages that it reads. */
  readonly reads: (plan: Plan) => readonly Artifact[];
  /** Whether the version of the runtime decides what it makes. */
  readonly runtime: boolean;
  /** Why there is nothing to do. */
  readonly skip?: (plan: Plan) => string | undefined;
  readonly run: (context: StageContext) => Promise<StageOutcome>;
  /** Throws where the run must not go on with what the stage found; asked of cached results too, so it may read other settings. */
  readonly judge?: (plan: Plan, record: StageRecord, read: (output: string) => Promise<Uint8Array>) => Promise<void>;
}
