import type { BundlePart, Manifest } from '@serin/protocol/bundle/manifest';

import type { GateVerdict } from '../evaluate/gate-check.ts';

/** Everything a bundle is made of before it is signed. */
export interface TrainedVersion {
  readonly files: readonly BundlePart[];
  readonly task: Manifest['task'];
  readonly labels: readonly string[];
  readonly inputs: Manifest['inputs'];
  readonly outputs: Manifest['outputs'];
  readonly metrics: Record<string, number>;
  readonly decision?: Manifest['decision'];
  readonly gate: GateVerdict;
  /** Of the float weights; equal runs have equal digests. */
  readonly weightDigest: string;
  readonly parameters: number;
}

const encoder = new TextEncoder();
export const jsonBytes = (value: unknown): Uint8Array => encoder.encode(JSON.stringify(value));
