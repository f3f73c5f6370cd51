import { frameBytes, frameChannels, frameHeight, frameWidth } from '@serin/inference/scene';
import type { Random } from '@serin/inference/random';

import type { FrameSet } from './frames.ts';

/** Factors by which one set of frames is brighter than another, a channel. */
export type ChannelGains = readonly number[];

export function channelGains(from: FrameSet, to: FrameSet): ChannelGains {
  const means = (set: FrameSet): number[] => {
    const sums = Array.from({ length: frameChannels }, () => 0);
    for (let at = 0; at < set.pixels.length; at += 1) sums[at % frameChannels] = (sums[at % frameChannels] ?? 0) + (set.pixels[at] ?? 0);
    return sums.map((sum) => sum / Math.max(1, set.pixels.length));
  };
  const base = means(from);
  return means(to).map((mean, channel) => Math.max(0.02, mean / Math.max(1, base[channel] ?? 1)));
}

/** Applies the gains to the power `strength`: 0 leaves the light as it is, 1 takes it all the way. */
export function relight(source: Uint8Array, gains: ChannelGains, strength: number, noise: number, random: Random, out: Uint8Array): void {
  const factors = gains.map((gain) => gain ** strength);
  for (let at = 0; at < frameBytes; at += frameChannels) {
    const bits = random.bits();
    for (let channel = 0; channel < frameChannels; channel += 1) {
      // A uniform byte of deviation 74 stands in for sensor noise, which a darkened frame would lack.
      const grain = (((bits >>> (channel * 8)) & 255) - 127.5) / 74;
      const value = (source[at + channel] ?? 0) * (factors[channel] ?? 1) + noise * grain;
      out[at + channel] = value <= 0 ? 0 : value >= 255 ? 255 : Math.round(value);
    }
  }
}

/** One of the eight ways a square picture can lie: a part on a bin floor has no upright. */
export function turn(source: Uint8Array, pose: number, out: Uint8Array): void {
  for (let row = 0; row < frameHeight; row += 1) {
    for (let column = 0; column < frameWidth; column += 1) {
      const [a, b] = (pose & 4) === 0 ? [row, column] : [column, row];
      const fromRow = (pose & 1) === 0 ? a : frameHeight - 1 - a;
      const fromColumn = (pose & 2) === 0 ? b : frameWidth - 1 - b;
      const to = (row * frameWidth + column) * frameChannels;
      const from = (fromRow * frameWidth + fromColumn) * frameChannels;
      for (let channel = 0; channel < frameChannels; channel += 1) out[to + channel] = source[from + channel] ?? 0;
    }
  }
}
