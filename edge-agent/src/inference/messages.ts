import type { DataRecord } from '@serin/inference/records';
import type { AskOptions, LoadableBundle, RawWindow, RecordReply, RunnerSettings, Unsent, WarmReport } from '@serin/device/ports';
import type { Digest } from '@serin/protocol/ids';
import type { FrameSample } from '@serin/protocol/messages/telemetry';

/** What crosses between the agent and its inference process: orders down, windows and samples up; never a frame. */
export interface InferenceSettings {
  fps: number;
  sceneFile: string | undefined;
  /** What the camera renders follows from it. */
  seed: string;
  /** From capture to answer. */
  deadlineMs: number;
}

/** A bundle with its bytes, as they can be sent. */
export type SentBundle = Omit<LoadableBundle, 'modelBytes'> & { modelBytes: Uint8Array };

export type Order =
  | { kind: 'warm'; variants: readonly SentBundle[] }
  | { kind: 'activate'; digest: Digest }
  | { kind: 'drop'; digest: Digest }
  | { kind: 'ask'; model: string; record: DataRecord; options: AskOptions }
  | { kind: 'stop' };

export type Down =
  | { type: 'begin'; settings: InferenceSettings }
  | { type: 'configure'; settings: RunnerSettings }
  | { type: 'order'; id: number; order: Order };

export type Up =
  | { type: 'ready'; camera: string }
  | { type: 'alive' }
  | { type: 'done'; id: number; report?: WarmReport; reply?: RecordReply }
  | { type: 'failed'; id: number; code: string; detail: string }
  | { type: 'window'; window: RawWindow }
  | { type: 'sample'; sample: Unsent<FrameSample> }
  | { type: 'log'; level: 'info' | 'warn' | 'error'; event: string; fields: Record<string, unknown> };

/** How often the process shows that it is alive. */
export const aliveMs = 1_000;
