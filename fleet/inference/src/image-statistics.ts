export interface ImageStatistics {
  /** Mean luma, 0..255. */
  brightness: number;
  /** Root mean square contrast: the standard deviation of luma. */
  contrast: number;
  /** Variance of the 4-neighbour Laplacian of luma over the inner pixels. */
  sharpness: number;
}

export const imageStatisticNames = ['brightness', 'contrast', 'sharpness'] as const;
export const isImageStatistic = (name: string): name is keyof ImageStatistics => (imageStatisticNames as readonly string[]).includes(name);

export interface FrameShape {
  readonly width: number;
  readonly height: number;
  /** 1 (grey) or 3 and more (red, green, blue first). */
  readonly channels: number;
}

/**
 * Statistics of one NHWC uint8 frame starting at `offset`, in one pass and without allocating:
 * the caller owns `out` and uses it again.
 */
export function measureImage(pixels: Uint8Array, shape: FrameShape, out: ImageStatistics, offset = 0): ImageStatistics {
  const { width, height, channels } = shape;
  const rowBytes = width * channels;
  let sum = 0;
  let sumSquares = 0;
  let edgeSum = 0;
  let edgeSumSquares = 0;

  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      const at = offset + row * rowBytes + column * channels;
      const luma = lumaAt(pixels, at, channels);
      sum += luma;
      sumSquares += luma * luma;
      if (row === 0 || column === 0 || row === height - 1 || column === width - 1) continue;
      const edge =
        lumaAt(pixels, at - rowBytes, channels) +
        lumaAt(pixels, at + rowBytes, channels) +
        lumaAt(pixels, at - channels, channels) +
        lumaAt(pixels, at + channels, channels) -
        4 * luma;
      edgeSum += edge;
      edgeSumSquares += edge * edge;
    }
  }

  const count = width * height;
  const inner = Math.max(0, width - 2) * Math.max(0, height - 2);
  out.brightness = sum / count;
  out.contrast = Math.sqrt(Math.max(0, sumSquares / count - out.brightness ** 2));
  out.sharpness = inner === 0 ? 0 : Math.max(0, edgeSumSquares / inner - (edgeSum / inner) ** 2);
  return out;
}

/** Rec. 601 luma. */
function lumaAt(pixels: Uint8Array, at: number, channels: number): number {
  const first = pixels[at] ?? 0;
  if (channels < 3) return first;
  return 0.299 * first + 0.587 * (pixels[at + 1] ?? 0) + 0.114 * (pixels[at + 2] ?? 0);
}
