import { embeddingWidth } from '@serin/inference/embedding';
import { measureImage, type FrameShape, type ImageStatistics } from '@serin/inference/image-statistics';
import type { Random } from '@serin/inference/random';
import { answerStatistic, type DataRecord } from '@serin/inference/records';
import { takesFrames, takesRecords, type Manifest } from '@serin/protocol/bundle/manifest';
import type { Preprocessing } from '@serin/protocol/bundle/preprocessing';
import type { Profile } from '@serin/protocol/bundle/profile';
import { SerinError } from '@serin/protocol/errors';
import type { Digest } from '@serin/protocol/ids';
import { objectsPerFrameMax, sampleBytesMax } from '@serin/protocol/limits';
import type { FrameSample } from '@serin/protocol/messages/telemetry';
import { answerOutput, boundTruth, isRightAnswer, predictedOf, readAnswer, readEmbedding, seenIn, type Answer } from './answer.ts';
import type { AskOptions, Clock, EngineSession, Frame, FrameSource, RawWindow, RecordReply, RunnerSettings, Unsent } from './ports.ts';
import { RecordAnswerer, type AnsweredRecord } from './record-answerer.ts';
import { WindowAccumulator } from './telemetry.ts';

/** A loaded bundle that may be asked for answers. */
export interface ServedModel {
  digest: Digest;
  manifest: Manifest;
  profile: Profile | undefined;
  preprocessing?: Preprocessing | undefined;
  explainer?: Uint8Array | undefined;
  session: EngineSession;
}

export interface FrameResult {
  manifest: Digest;
  model: string;
  version: number;
  answer: Answer;
  latencyMs: number;
  frame: Frame;
}

export interface FrameLoopHandlers {
  window(window: RawWindow): void;
  sample(sample: Unsent<FrameSample>): void;
  /** Every answer, for whoever uses it or shows it. */
  result?(result: FrameResult): void;
  /** The first fault of a kind in a window; all of them are counted there. */
  fault?(error: unknown): void;
}

export interface FrameLoopOptions {
  source: FrameSource;
  clock: Clock;
  random: Random;
  /** Counted from capture to answer. */
  deadlineMs: number;
  handlers: FrameLoopHandlers;
}

type Sample = Unsent<FrameSample>;

interface Serving {
  model: ServedModel;
  /** Of a model that answers frames. */
  frames: { input: string; output: string; tensor: { dtype: string; shape: readonly number[] } } | undefined;
  /** Of a model that answers records, when asked. */
  records: RecordAnswerer | undefined;
  /** Settled when nobody waits for an answer. */
  asked: Promise<unknown>;
  window: WindowAccumulator;
  reservoir: Sample[];
  offered: number;
  hasFault: boolean;
}

/** Refuses an image model whose input is not one frame of the source: it could not answer a single one. */
export function requireFrameInput(manifest: Manifest, { height, width, channels }: FrameShape): void {
  if (!takesFrames(manifest)) return;
  const [input, ...others] = manifest.inputs;
  const wanted = [1, height, width, channels];
  const fits =
    input?.dtype === 'uint8' && others.length === 0 && input.shape.length === 4 && input.shape.every((size, at) => size === -1 || size === wanted[at]);
  if (!fits) throw new SerinError('MODEL_LOAD_FAILED', { detail: `its input is not one ${height}x${width}x${channels} uint8 frame` });
}

/** What surrounds the pixels of a sample on the wire, with as many objects as there may be, seen and true. */
const sampleRoomBytes = 1024 + 2 * 64 * objectsPerFrameMax;
const sourceRetryMs = 1000;

/**
 * Runs the newest frame through the model in service, over and over, and asks those that answer records when somebody asks. A change of model takes effect between two
 * frames, so that none is dropped and each is counted under the version that answered it. One window per version,
 * cut where the wall clock is a multiple of the window's length, and at every change.
 */
export class FrameLoop {
  readonly #source: FrameSource;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #deadlineMs: number;
  readonly #handlers: FrameLoopHandlers;
  #settings: RunnerSettings = { windowMs: 10_000, samplesPerWindow: 0 };
  readonly #serving = new Map<string, Serving>();
  #frameUnderWay: Promise<void> = Promise.resolve();
  #stopping = new AbortController();
  #retimed = new AbortController();
  #loops: Promise<unknown> | undefined;
  #wake: () => void = () => {};
  readonly #image: ImageStatistics = { brightness: 0, contrast: 0, sharpness: 0 };

  constructor({ source, clock, random, deadlineMs, handlers }: FrameLoopOptions) {
    this.#source = source;
    this.#clock = clock;
    this.#random = random;
    this.#deadlineMs = deadlineMs;
    this.#handlers = handlers;
  }

  start(): void {
    if (this.#loops !== undefined) return;
    this.#stopping = new AbortController();
    this.#loops = Promise.all([this.#runFrames(this.#stopping.signal), this.#cutWindows(this.#stopping.signal)]);
  }

  /** Ends after the frame under way; its window is handed over. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#retimed.abort();
    this.#wake();
    await this.#loops;
    this.#loops = undefined;
    await Promise.all([...this.#serving.values()].map(({ asked }) => asked));
    for (const serving of this.#serving.values()) this.#cut(serving, this.#clock.now());
  }

  configure(settings: RunnerSettings): void {
    if (settings.windowMs === this.#settings.windowMs && settings.samplesPerWindow === this.#settings.samplesPerWindow) return;
    this.#settings = settings;
    this.#retimed.abort();
  }

  /** From the next frame on this model answers for its name. Resolves when the one before answers nothing any more. */
  async serve(model: ServedModel): Promise<void> {
    const serving = this.#prepare(model);
    const ended = this.#end(model.manifest.model);
    if (serving !== undefined) {
      // What passed while nothing was served is nobody's loss.
      if (!this.#hasFrameModel()) this.#source.takeSkipped();
      this.#serving.set(model.manifest.model, serving);
    }
    this.#wake();
    await ended;
  }

  /** Nothing answers for that name any more. */
  retire(name: string): Promise<void> {
    return this.#end(name);
  }

  /** One record, answered by the model in service under that name. */
  async ask(name: string, record: DataRecord, options: AskOptions = {}): Promise<RecordReply> {
    const serving = this.#serving.get(name);
    if (serving?.records === undefined) throw new SerinError('NOT_FOUND', { detail: `no model called ${name} answers records here` });
    const reply = this.#askRecord(serving, serving.records, record, options);
    serving.asked = Promise.allSettled([serving.asked, reply]);
    return reply;
  }

  async #askRecord(serving: Serving, records: RecordAnswerer, record: DataRecord, options: AskOptions): Promise<RecordReply> {
    const { window } = serving;
    // What is no record is the asker's fault, not the model's.
    const prepared = records.prepare(record);
    const began = this.#clock.elapsed();
    let answer: AnsweredRecord;
    try {
      answer = await records.answer(prepared);
    } catch (error) {
      window.countFailure();
      if (!serving.hasFault) this.#handlers.fault?.(error);
      serving.hasFault = true;
      throw error;
    }
    const latencyMs = this.#clock.elapsed() - began;
    const { finite, confidence, label, value, embedding } = answer;
    window.countRun({
      latencyMs,
      isLate: latencyMs > this.#deadlineMs,
      record: new Map([...prepared.statistics, ...(value === undefined ? [] : [[answerStatistic, value] as const])]),
      finite,
      confidence,
      seen: label === -1 ? [] : [{ label, score: confidence }],
      embedding,
      isRight: undefined,
    });
    return records.reply(record, prepared, answer, latencyMs, options);
  }

  #hasFrameModel(): boolean {
    for (const { frames } of this.#serving.values()) if (frames !== undefined) return true;
    return false;
  }

  /** Resolves when it answers nothing any more. */
  async #end(name: string): Promise<void> {
    const serving = this.#serving.get(name);
    this.#serving.delete(name);
    await this.#frameUnderWay;
    if (serving === undefined) return;
    await serving.asked;
    // What was under way still belongs to this window.
    this.#cut(serving, this.#clock.now());
  }

  /** Models of plain tensors are served elsewhere. */
  #prepare(model: ServedModel): Serving | undefined {
    const { manifest, digest, profile } = model;
    const frames = takesFrames(manifest) ? this.#frameInput(manifest) : undefined;
    const records = takesRecords(manifest) ? new RecordAnswerer(model) : undefined;
    if (frames === undefined && records === undefined) return undefined;
    const { model: name, version, labels, outputs } = manifest;
    return {
      model,
      frames,
      records,
      asked: Promise.resolve(),
      window: new WindowAccumulator(
        { model: name, version, manifest: digest, labels: labels.length, profile, embeddingWidth: embeddingWidth(outputs) },
        this.#clock.now(),
      ),
      reservoir: [],
      offered: 0,
      hasFault: false,
    };
  }

  #frameInput(manifest: Manifest): Serving['frames'] {
    const [input] = manifest.inputs;
    if (input === undefined) throw new SerinError('BUNDLE_MANIFEST_INVALID', { detail: 'no inputs' });
    const { height, width, channels } = this.#source.shape;
    return { input: input.name, output: answerOutput(manifest), tensor: { dtype: 'uint8', shape: [1, height, width, channels] } };
  }

  async #runFrames(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (!this.#hasFrameModel()) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        continue;
      }
      let frame: Frame | undefined;
      try {
        frame = await this.#source.next(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#handlers.fault?.(error);
        await this.#clock.sleep(sourceRetryMs, signal);
        continue;
      }
      if (frame === undefined) return;
      this.#frameUnderWay = this.#runFrame(frame);
      await this.#frameUnderWay;
    }
  }

  async #runFrame(frame: Frame): Promise<void> {
    const skipped = this.#source.takeSkipped();
    for (const serving of Array.from(this.#serving.values())) {
      if (serving.frames === undefined) continue;
      serving.window.countSkipped(skipped);
      await this.#answer(serving, serving.frames, frame);
    }
  }

  async #answer(serving: Serving, { input, output, tensor }: NonNullable<Serving['frames']>, frame: Frame): Promise<void> {
    const { model, window } = serving;
    const { shape } = this.#source;
    const { digest, manifest, session } = model;
    const began = this.#clock.elapsed();
    let answer: Answer;
    let embedding: Float32Array | undefined;
    try {
      const wanted = shape.width * shape.height * shape.channels;
      if (frame.pixels.length !== wanted) throw new SerinError('BAD_REQUEST', { detail: `a frame of ${frame.pixels.length} bytes, ${wanted} expected` });
      const outputs = await session.run({ [input]: { ...tensor, data: frame.pixels } });
      answer = readAnswer(manifest, outputs[output]);
      embedding = readEmbedding(outputs);
    } catch (error) {
      window.countFailure();
      if (!serving.hasFault) this.#handlers.fault?.(error);
      serving.hasFault = true;
      return;
    }
    const ended = this.#clock.elapsed();
    const latencyMs = ended - began;
    const isLate = Math.max(latencyMs, ended - frame.capturedAt) > this.#deadlineMs;
    const image = measureImage(frame.pixels, shape, this.#image);
    const { finite, confidence } = answer;
    window.countRun({ latencyMs, isLate, image, finite, confidence, seen: seenIn(answer), embedding, isRight: isRightAnswer(answer, frame.truth) });
    this.#offer(serving, frame, answer);
    this.#handlers.result?.({ manifest: digest, model: manifest.model, version: manifest.version, answer, latencyMs, frame });
  }

  /** Reservoir sampling: every answered frame of the window has the same chance to be sent along. */
  #offer(serving: Serving, frame: Frame, answer: Answer): void {
    const wanted = this.#settings.samplesPerWindow;
    if (wanted === 0 || !answer.finite || frame.pixels.length > sampleBytesMax - sampleRoomBytes) return;
    const place = serving.offered < wanted ? serving.offered : this.#random.integer(serving.offered + 1);
    serving.offered++;
    if (place >= wanted) return;
    const { model } = serving;
    const { shape } = this.#source;
    serving.reservoir[place] = {
      model: model.manifest.model,
      version: model.manifest.version,
      shape: [shape.height, shape.width, shape.channels],
      // Sources use their buffers again.
      pixels: frame.pixels.slice(),
      predicted: predictedOf(answer),
      ...(frame.truth === undefined ? {} : { truth: boundTruth(frame.truth) }),
    };
  }

  /** Hands windows over when they are due, also while the source is silent. */
  async #cutWindows(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#retimed = new AbortController();
      const { windowMs } = this.#settings;
      const began = this.#clock.now();
      const due = (Math.floor(began / windowMs) + 1) * windowMs;
      await this.#clock.sleep(due - began, this.#retimed.signal);
      const now = this.#clock.now();
      // A clock that was set back makes no window of negative length; one still on its way is not cut early.
      const isDue = now >= due || now < began;
      if (isDue && !signal.aborted) for (const serving of this.#serving.values()) this.#cut(serving, now);
    }
  }

  #cut(serving: Serving, now: number): void {
    const window = serving.window.take(now);
    const samples = serving.reservoir;
    serving.reservoir = [];
    serving.offered = 0;
    serving.hasFault = false;
    if (window !== undefined) this.#handlers.window(window);
    for (const sample of samples) this.#handlers.sample(sample);
  }
}
