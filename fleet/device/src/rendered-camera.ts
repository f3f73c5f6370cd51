import { frameBytes, frameChannels, frameHeight, frameWidth, type Light } from '@serin/inference/bin-scene/parameters';
import { renderBin } from '@serin/inference/bin-scene/render';
import type { Random } from '@serin/inference/random';
import type { Clock, Frame, FrameSource } from './ports.ts';

export interface RenderedCameraOptions {
  fps: number;
  /** Asked for at every frame: the hall's light may change. */
  light: () => Light;
  clock: Clock;
  random: Random;
}

/**
 * The synthetic bin camera. Frames fall due at a steady pace; whoever is late gets the newest, and the ones before
 * it count as passed over, as with a real camera. Which parts lie in the bin is known, and said.
 */
export function createRenderedCamera({ fps, light, clock, random }: RenderedCameraOptions): FrameSource {
  const periodMs = 1000 / fps;
  const pixels = new Uint8Array(frameBytes);
  const closing = new AbortController();
  let dueAt = clock.elapsed();
  let skipped = 0;
  let asker: { signal: AbortSignal; ended: AbortSignal } | undefined;

  /** One for all calls with the same signal: a combined signal for every frame would pile up behind the two it follows. */
  const endedFor = (signal: AbortSignal): AbortSignal => {
    if (asker?.signal !== signal) asker = { signal, ended: AbortSignal.any([signal, closing.signal]) };
    return asker.ended;
  };

  /** Frames that fell due before the newest one are gone, whether somebody asks for it or only how many there were. */
  const passOver = (): void => {
    const late = Math.max(0, Math.floor((clock.elapsed() - dueAt) / periodMs));
    skipped += late;
    dueAt += late * periodMs;
  };

  return {
    description: `rendered bin camera, ${fps} frames a second`,
    synthetic: true,
    shape: { width: frameWidth, height: frameHeight, channels: frameChannels },
    async next(signal): Promise<Frame | undefined> {
      const ended = endedFor(signal);
      for (let waitMs = dueAt - clock.elapsed(); waitMs > 0 && !ended.aborted; waitMs = dueAt - clock.elapsed()) await clock.sleep(waitMs, ended);
      if (ended.aborted) return undefined;
      passOver();
      const capturedAt = dueAt;
      dueAt += periodMs;
      const { parts } = renderBin(random, light(), pixels);
      return { pixels, capturedAt, truth: { objects: [...parts], origin: 'simulated-annotator' } };
    },
    takeSkipped() {
      passOver();
      const taken = skipped;
      skipped = 0;
      return taken;
    },
    close() {
      closing.abort();
      return Promise.resolve();
    },
  };
}
