import type { Random } from '@serin/inference/random';
import sharp from 'sharp';

import { floats, type Tensor } from '../../onnx/graph.ts';

const letters = 'ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz0123456789';
const families = ['sans-serif', 'serif', 'monospace'];

/** How a network wants its pixels: (level / 255 - mean) / deviation, a channel each. */
export interface Normalisation {
  readonly mean: readonly [number, number, number];
  readonly deviation: readonly [number, number, number];
}

export interface TextPicture {
  readonly width: number;
  readonly height: number;
  readonly lines: number;
  /** Half of them stand on their heads. */
  readonly turned: boolean;
  readonly normalisation: Normalisation;
}

/** A synthetic picture of printed text: drawn letters on an uneven ground, blurred and noisy. [1, 3, height, width] */
export async function drawText(random: Random, { width, height, lines, turned, normalisation }: TextPicture): Promise<Tensor<'float32'>> {
  const flip = turned && random.uniform() < 0.5;
  const svg = Buffer.from(scene(random, width, height, lines));
  const { data } = await sharp(svg)
    .rotate(flip ? 180 : 0)
    .blur(random.between(0.3, 1.1))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const area = width * height;
  const noise = random.between(0, 8);
  const pixels = new Float32Array(3 * area);
  for (let channel = 0; channel < 3; channel += 1) {
    const [mean = 0, deviation = 1] = [normalisation.mean[channel], normalisation.deviation[channel]];
    for (let pixel = 0; pixel < area; pixel += 1) {
      const level = Math.min(255, Math.max(0, (data[pixel * 3 + channel] ?? 0) + noise * (random.uniform() - 0.5)));
      pixels[channel * area + pixel] = (level / 255 - mean) / deviation;
    }
  }
  return floats([1, 3, height, width], pixels);
}

function scene(random: Random, width: number, height: number, lines: number): string {
  const isDark = random.uniform() < 0.3;
  const grey = (low: number, high: number): string => {
    const parts = [0, 0, 0].map(() => Math.round(random.between(low, high)));
    return `rgb(${parts.join(',')})`;
  };
  const [ground, other, ink] = isDark ? [grey(10, 90), grey(10, 110), grey(170, 255)] : [grey(170, 255), grey(150, 255), grey(0, 90)];
  const rows = Array.from({ length: lines }, (_, line) => {
    const room = height / lines;
    const size = room * random.between(0.45, 0.8);
    const x = random.between(0.02, 0.15) * width;
    const y = (line + 0.75) * room;
    const word = (): string => Array.from({ length: 2 + random.integer(8) }, () => letters[random.integer(letters.length)]).join('');
    const text = Array.from({ length: 1 + random.integer(4) }, word).join(' ');
    const angle = random.between(-3, 3);
    const weight = random.uniform() < 0.3 ? 'bold' : 'normal';
    return `<text x="${x}" y="${y}" font-size="${size}" font-family="${families[random.integer(3)]}" font-weight="${weight}" fill="${ink}" transform="rotate(${angle} ${x} ${y})">${text}</text>`;
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><defs><linearGradient id="g"><stop offset="0" stop-color="${ground}"/>` +
    `<stop offset="1" stop-color="${other}"/></linearGradient></defs><rect width="${width}" height="${height}" fill="url(#g)"/>${rows.join('')}</svg>`
  );
}
