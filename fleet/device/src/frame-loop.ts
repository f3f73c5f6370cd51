import { asSerinError, SerinError } from '@serin/protocol/errors';
import type { Digest } from '@serin/protocol/ids';
import type { Manifest } from '@serin/protocol/bundle/manifest';
import type { Profile } from '@serin/protocol/bundle/profile';
import type { FrameSample } from '@serin/protocol/messages/telemetry';
import type { FrameShape } from '@serin/inference/image-statistics';
import type { Classification } from '@serin/inference/postprocess';
import type { Clock, EngineSession, EngineTensor, Frame, FrameSource, RawWindow, RunnerSettings, Unsent } from './ports.ts';
import { WindowAccumulator } from './telemetry.ts';

export interface LoadedModel {
  digest: Digest;
  manifest: Manifest;
  profile: Profile | undefined;
  session: EngineSession;
}

export interface FrameLoopParts {
  source: FrameSource;
  clock: Clock;
  random: () => number;
  /** Age at which an answer comes too late to be used. */
  deadlineMs: number;
  window: (window: RawWindow) => void;
  sample: (sample: Unsent<FrameSample>) => void;
  /** Every answer, for whoever shows them. */
  answered?: (frame: Frame, model: LoadedModel, answer: Classification) => void;
}

interface Serving {
  model: LoadedModel;
  inputName: string;
  outputName: string;
  accumulator: WindowAccumulator;
}

export const defaultRunnerSettings: RunnerSettings = { windowMs: 5_000, samplesPerWindow: 0 };

/** Refuses a model whose input is not one frame of this source: it could not answer a single one. */
export function requireFrameInput(manifest: Manifest, shape: FrameShape): void {
  if (manifest.task !== 'image-classification') return;
  const [input, ...others] = manifest.inputs;
  const wanted = [shape.height, shape.width, shape.channels];
  const fits =
    input !== undefined &&
    others.length === 0 &&
    input.dtype === 'uint8' &&
    input.shape.length === 4 &&
    input.shape.slice(1).every((size, index) => size === -1 || size === wanted[index]);
  if (!fits) throw new SerinError('MODEL_LOAD_FAILED', { detail: `its input is not one ${wanted.join('x')} uint8 frame` });
}

/**
 * Takes the newest frame, runs it through every model that serves, counts. One frame at a time, so a swap
 * always falls between two frames and none is lost for it.
 */
export class FrameLoop {
  readonly #parts: FrameLoopParts;
  readonly #serving = new Map<string, Serving>();
  #settings = defaultRunnerSettings;
  #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(parts: FrameLoopParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running ??= this.#run(this.#stopping.signal);
  }

  /** Waits for the frame in hand and closes the windows. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    for (const serving of this.#serving.values()) this.#close(serving);
    this.#serving.clear();
  }

  configure(settings: RunnerSettings): void {
    this.#settings = settings;
  }

  /** From the next frame on this model answers for its name; the window of the one before ends here. */
  activate(model: LoadedModel): void {
    const before = this.#serving.get(model.manifest.model);
    if (before?.model.digest === model.digest) return;
    if (before !== undefined) this.#close(before);
    if (model.manifest.task !== 'image-classification') return;
    const [input] = model.manifest.inputs;
    const output = model.manifest.outputs.find(({ name }) => name === 'probabilities') ?? model.manifest.outputs[0];
    this.#serving.set(model.manifest.model, {
      model,
      inputName: input?.name ?? '',
      outputName: output?.name ?? '',
      accumulator: new WindowAccumulator(model, this.#parts.source.shape, this.#parts.clock.now()),
    });
  }

  /** Stops serving it, if it is the one that serves. */
  deactivate(digest: Digest): void {
    for (const [name, serving] of this.#serving) {
      if (serving.model.digest !== digest) continue;
      this.#close(serving);
      this.#serving.delete(name);
    }
  }

  #close({ accumulator }: Serving): void {
    const taken = accumulator.take(this.#parts.clock.now());
    if (taken === undefined) return;
    this.#parts.window(taken.window);
    for (const sample of taken.samples) this.#parts.sample(sample);
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { source, clock } = this.#parts;
    while (!signal.aborted) {
      const frame = await source.next(signal);
      const skipped = source.takeSkipped();
      // A copy: what is activated while a frame runs begins with the next one.
      for (const serving of Array.from(this.#serving.values())) {
        serving.accumulator.skipped(skipped);
        if (frame !== undefined) await this.#infer(frame, serving);
        if (clock.now() - serving.accumulator.from >= this.#settings.windowMs && this.#serving.get(serving.model.manifest.model) === serving)
          this.#close(serving);
      }
      if (frame === undefined && !signal.aborted) await clock.sleep(100, signal);
    }
  }

  async #infer(frame: Frame, { model, inputName, outputName, accumulator }: Serving): Promise<void> {
    const { clock, deadlineMs, random, source, answered } = this.#parts;
    const { height, width, channels } = source.shape;
    const begin = clock.elapsed();
    let probabilities: EngineTensor | undefined;
    try {
      const outputs = await model.session.run({ [inputName]: { dtype: 'uint8', shape: [1, height, width, channels], data: frame.pixels } });
      probabilities = outputs[outputName];
    } catch (thrown) {
      // Counted below; a process that is gone ends the loop elsewhere.
      if (asSerinError(thrown).code === 'INFERENCE_CRASHED') return;
    }
    const end = clock.elapsed();
    const answer = accumulator.record(
      { frame, probabilities, latencyMs: end - begin, isLate: end - frame.capturedAt > deadlineMs },
      { samplesPerWindow: this.#settings.samplesPerWindow, random },
    );
    if (answer !== undefined) answered?.(frame, model, answer);
  }
}
