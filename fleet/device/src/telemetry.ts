import { isImageStatistic, type ImageStatistics } from '@serin/inference/image-statistics';
import { confidenceStatistic, isRecordStatistic } from '@serin/inference/records';
import type { Profile } from '@serin/protocol/bundle/profile';
import type { Digest, ModelName } from '@serin/protocol/ids';
import type { WindowCounters } from '@serin/protocol/messages/telemetry';
import { CONFIDENCE_BINS, countClass, emptyClassConfidence } from '@serin/stats/class-confidence';
import { DDSketch } from '@serin/stats/dd-sketch';
import { addFeatures, emptyMoments, type Moments } from '@serin/stats/embedding-moments';
import { countInto, emptyCounts } from '@serin/stats/histogram';
import type { Seen } from './answer.ts';
import type { RawWindow } from './ports.ts';

/** Whose frames a window is about. */
export interface WindowSubject {
  model: ModelName;
  version: number;
  manifest: Digest;
  /** How many labels the model knows. */
  labels: number;
  profile: Profile | undefined;
  /** Features of the embedding that the model puts out beside its answers; undefined where it puts out none. */
  embeddingWidth?: number | undefined;
}

export interface RunFrame {
  latencyMs: number;
  isLate: boolean;
  /** What a frame showed, or what a record held: by the names of the profile's statistics. */
  image?: ImageStatistics;
  record?: ReadonlyMap<string, number>;
  finite: boolean;
  confidence: number;
  /** One of a classifier, any number of a detector. */
  seen: readonly Seen[];
  /** The embedding's features; counted at once, so its buffer may be used again. */
  embedding?: ArrayLike<number> | undefined;
  /** Whether that was right, where it is known. */
  isRight: boolean | undefined;
}

/** Statistics that this device can take; others of a profile are left to those that know them. */
const isStatistic = (name: string): boolean => isImageStatistic(name) || name === confidenceStatistic || isRecordStatistic(name);

interface Tally {
  name: string;
  edges: readonly number[];
  counts: number[];
  sum: number;
  sumSquares: number;
}

const noCounters = (): WindowCounters => ({ frames: 0, run: 0, skipped: 0, failed: 0, deadlineMissed: 0, nonFinite: 0, judged: 0, wrong: 0 });

const emptyTallies = (profile: Profile | undefined): Tally[] =>
  (profile?.statistics ?? []).flatMap(({ name, edges }) => (isStatistic(name) ? [{ name, edges, counts: emptyCounts(edges), sum: 0, sumSquares: 0 }] : []));

/** Of a profile that counts class by confidence, and was made for as many classes. */
const emptyConfidence = ({ profile, labels }: WindowSubject): number[] | undefined =>
  profile?.classConfidence?.length === labels * CONFIDENCE_BINS ? emptyClassConfidence(labels) : undefined;

const noMoments = ({ embeddingWidth }: WindowSubject): Moments | undefined => (embeddingWidth === undefined ? undefined : emptyMoments(embeddingWidth));

/** Counts what one model sees, in the frozen bins of its profile, until the window is taken. */
export class WindowAccumulator {
  readonly subject: WindowSubject;
  #from: number;
  #counters = noCounters();
  #latency = new DDSketch();
  #labels: number[];
  #tallies: Tally[];
  #classConfidence: number[] | undefined;
  #embedding: Moments | undefined;

  constructor(subject: WindowSubject, from: number) {
    this.subject = subject;
    this.#from = Math.floor(from);
    this.#labels = Array.from({ length: subject.labels }, () => 0);
    this.#tallies = emptyTallies(subject.profile);
    this.#classConfidence = emptyConfidence(subject);
    this.#embedding = noMoments(subject);
  }

  get from(): number {
    return this.#from;
  }

  countSkipped(frames: number): void {
    this.#counters.skipped += frames;
  }

  /** The source delivered it, the model gave no answer. */
  countFailure(): void {
    this.#counters.frames++;
    this.#counters.failed++;
  }

  countRun({ latencyMs, isLate, image, record, finite, confidence, seen, embedding, isRight }: RunFrame): void {
    const counters = this.#counters;
    counters.frames++;
    counters.run++;
    if (isLate) counters.deadlineMissed++;
    this.#latency.add(latencyMs);
    if (!this.#addEmbedding(embedding) || !finite) counters.nonFinite++;
    for (const { label, score } of seen) {
      this.#labels[label] = (this.#labels[label] ?? 0) + 1;
      if (this.#classConfidence !== undefined) countClass(this.#classConfidence, label, score);
    }
    if (isRight !== undefined) {
      counters.judged++;
      if (!isRight) counters.wrong++;
    }
    for (const tally of this.#tallies) {
      const { name } = tally;
      const value = name === confidenceStatistic ? (finite ? confidence : Number.NaN) : isImageStatistic(name) ? image?.[name] : record?.get(name);
      if (value === undefined) continue;
      countInto(tally.counts, tally.edges, value);
      if (!Number.isFinite(value)) continue;
      tally.sum += value;
      tally.sumSquares += value * value;
    }
  }

  /** False where one was promised and what came is none. */
  #addEmbedding(embedding: ArrayLike<number> | undefined): boolean {
    return this.#embedding === undefined || (embedding !== undefined && addFeatures(this.#embedding, embedding));
  }

  /** The window up to `to`, and a fresh one begun there; undefined where nothing was seen. */
  take(to: number): RawWindow | undefined {
    const end = Math.max(Math.floor(to), this.#from);
    const { frames, skipped } = this.#counters;
    const { model, version, manifest, labels, profile } = this.subject;
    const [classConfidence, embedding] = [this.#classConfidence, this.#embedding];
    const window: RawWindow | undefined =
      frames + skipped === 0
        ? undefined
        : {
            model,
            version,
            manifest,
            from: this.#from,
            to: end,
            counters: this.#counters,
            latencyMs: this.#latency.toData(),
            statistics: this.#tallies.map(({ name, counts, sum, sumSquares }) => ({ name, counts, sum, sumSquares })),
            labels: this.#labels,
            ...(classConfidence === undefined ? {} : { classConfidence }),
            ...(embedding === undefined ? {} : { embedding }),
          };
    this.#from = end;
    if (window === undefined) return undefined;
    this.#counters = noCounters();
    this.#latency = new DDSketch();
    this.#labels = Array.from({ length: labels }, () => 0);
    this.#tallies = emptyTallies(profile);
    this.#classConfidence = emptyConfidence(this.subject);
    this.#embedding = noMoments(this.subject);
    return window;
  }
}
