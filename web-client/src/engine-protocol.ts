import type { ErrorCode } from '@serin/protocol/errors';
import type { EngineTensor } from '@serin/device/ports';

/** What the page asks its inference worker; every request is answered once, in any order. */
export type EngineRequest =
  | { id: number; op: 'start'; runtimeUrl: string; threads: number }
  | { id: number; op: 'open'; model: Uint8Array }
  | { id: number; op: 'run'; session: number; inputs: Record<string, EngineTensor> }
  | { id: number; op: 'close'; session: number };

export interface EngineResults {
  start: null;
  open: number;
  run: Record<string, EngineTensor>;
  close: null;
}

export type EngineOperation = keyof EngineResults;

export type EngineReply = { id: number; result: EngineResults[EngineOperation] } | { id: number; code: ErrorCode; detail: string };
