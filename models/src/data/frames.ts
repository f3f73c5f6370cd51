import { frameBytes, renderFrame, sceneLabels, type Light } from '@serin/inference/scene';
import type { Random } from '@serin/inference/random';
import { sha256 } from '@serin/protocol/digest';
import { SerinError } from '@serin/protocol/errors';

/** Labelled frames, one after the other in one buffer. */
export interface FrameSet {
  readonly count: number;
  readonly pixels: Uint8Array;
  readonly labels: Uint8Array;
}

export interface LabelledFrame {
  readonly pixels: Uint8Array;
  readonly label: number;
}

export const frameAt = (set: FrameSet, index: number): Uint8Array => set.pixels.subarray(index * frameBytes, (index + 1) * frameBytes);

export function renderFrames(random: Random, light: Light, count: number): FrameSet {
  const set = { count, pixels: new Uint8Array(count * frameBytes), labels: new Uint8Array(count) };
  for (let index = 0; index < count; index += 1) set.labels[index] = renderFrame(random, light, frameAt(set, index)).label;
  return set;
}

export function packFrames(frames: readonly LabelledFrame[]): FrameSet {
  const set = { count: frames.length, pixels: new Uint8Array(frames.length * frameBytes), labels: Uint8Array.from(frames, ({ label }) => label) };
  frames.forEach(({ pixels }, index) => set.pixels.set(pixels, index * frameBytes));
  return set;
}

export interface Split {
  readonly train: FrameSet;
  readonly heldOut: FrameSet;
}

/**
 * Splits by the digest of the pixels, so an example stays on its side in every later training, and equal frames
 * cannot lie on both. Of equal frames the last one counts, being the newest label.
 */
export async function splitFrames(frames: readonly LabelledFrame[], heldOutShare: number): Promise<Split> {
  const byDigest = new Map<string, LabelledFrame>();
  for (const [index, frame] of frames.entries()) {
    if (frame.pixels.length !== frameBytes) {
      throw new SerinError('BAD_REQUEST', { detail: `sample ${index} has ${frame.pixels.length} bytes, a frame has ${frameBytes}` });
    }
    if (!Number.isInteger(frame.label) || frame.label < 0 || frame.label >= sceneLabels.length) {
      throw new SerinError('BAD_REQUEST', { detail: `sample ${index} has label ${frame.label}, labels are 0 to ${sceneLabels.length - 1}` });
    }
    byDigest.set(await sha256(frame.pixels), frame);
  }
  const train: LabelledFrame[] = [];
  const heldOut: LabelledFrame[] = [];
  for (const [digest, frame] of byDigest) {
    const place = Number.parseInt(digest.slice(0, 8), 16) / 2 ** 32;
    (place < heldOutShare ? heldOut : train).push(frame);
  }
  return { train: packFrames(train), heldOut: packFrames(heldOut) };
}
