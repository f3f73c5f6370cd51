import type { Random } from './random.ts';

/**
 * The synthetic bin camera: a top view of the pick window of a parts bin, empty or with one part in it.
 * Shapes are signed distances, so edges are anti-aliased and any rotation costs the same.
 */
export const frameWidth = 32;
export const frameHeight = 32;
export const frameChannels = 3;
export const frameBytes = frameWidth * frameHeight * frameChannels;
export const sceneLabels = ['empty', 'washer', 'nut', 'bolt', 'bracket'] as const;

export interface Light {
  /** Illumination relative to the design: 1 as designed, 0.5 half as bright. */
  readonly level: number;
  /** Colour cast: 0 as designed, 1 strongly orange, negative blueish. */
  readonly warmth: number;
  /** Standard deviation of the sensor noise, in 8-bit levels. */
  readonly noise: number;
}

export const designLight: Light = { level: 1, warmth: 0, noise: 3 };

export interface Frame {
  readonly pixels: Uint8Array;
  /** Index into `sceneLabels`. */
  readonly label: number;
}

type Distance = (x: number, y: number) => number;

const box = (x: number, y: number, halfWidth: number, halfHeight: number): number => {
  const dx = Math.abs(x) - halfWidth;
  const dy = Math.abs(y) - halfHeight;
  return dx > 0 && dy > 0 ? Math.sqrt(dx * dx + dy * dy) : Math.max(dx, dy);
};

const hexagon = (x: number, y: number, apothem: number): number => {
  const ax = Math.abs(x);
  const ay = Math.abs(y);
  return Math.max(ax * 0.8660254 + ay * 0.5, ay) - apothem;
};

/** Distances in pixels at scale 1, negative inside; indexed like `sceneLabels`. */
const parts: readonly (Distance | undefined)[] = [
  undefined,
  (x, y) => Math.abs(Math.sqrt(x * x + y * y) - 6.6) - 1.7,
  (x, y) => Math.max(hexagon(x, y, 7.4), 3.4 - Math.sqrt(x * x + y * y)),
  (x, y) => Math.min(box(x - 2.2, y, 7.2, 1.7), box(x + 6.4, y, 2.2, 4.3)),
  (x, y) => {
    const outline = Math.min(box(x + 5.2, y, 2.1, 7.8), box(x - 0.4, y - 5.7, 7.6, 2.1));
    const hole = 1.2 - Math.sqrt((x - 4.8) ** 2 + (y - 5.7) ** 2);
    return Math.max(outline, hole);
  },
];

/** What a part is made of: mean tone, and how far red stands above and blue below it. */
interface Finish {
  readonly tone: number;
  readonly tint: number;
}

/** Zinc, brass, black oxide, galvanised steel: colours that tell parts apart until the light changes its own. */
const finishes: readonly (Finish | undefined)[] = [
  undefined,
  { tone: 172, tint: -8 },
  { tone: 158, tint: 34 },
  { tone: 128, tint: 4 },
  { tone: 196, tint: -2 },
];

const clampUnit = (value: number): number => (value < 0 ? 0 : value > 1 ? 1 : value);

/** Sum of the four bytes of a word: mean 510, standard deviation 147.8, near enough to normal for a sensor. */
const noiseOf = (bits: number): number => ((bits & 255) + ((bits >>> 8) & 255) + ((bits >>> 16) & 255) + (bits >>> 24) - 510) / 147.8;

/** Draws one frame. `out`, when given, receives the pixels; `label` fixes what lies in the window. */
export function renderFrame(random: Random, light: Light, out?: Uint8Array, label?: number): Frame {
  const pixels = out ?? new Uint8Array(frameBytes);
  const shown = label ?? random.integer(sceneLabels.length);
  const part = parts[shown];

  const angle = random.between(0, 2 * Math.PI);
  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  const scale = 1 / random.between(0.88, 1.1);
  const centreX = frameWidth / 2 + random.between(-2.5, 2.5);
  const centreY = frameHeight / 2 + random.between(-2.5, 2.5);
  const finish = finishes[shown] ?? { tone: 0, tint: 0 };
  const metal = finish.tone + random.between(-16, 16);
  const tint = finish.tint + random.between(-7, 7);
  const sheen = random.between(0.6, 1.4);

  const floor = random.between(74, 92);
  const slopeX = random.between(-0.35, 0.35);
  const slopeY = random.between(-0.35, 0.35);
  const waveX = random.between(0.15, 0.45);
  const waveY = random.between(0.15, 0.45);
  const phase = random.between(0, 2 * Math.PI);

  const flicker = light.level * random.between(0.94, 1.06);
  const red = flicker * (1 + 0.18 * light.warmth);
  const green = flicker * (1 - 0.12 * light.warmth);
  const blue = flicker * (1 - 0.55 * light.warmth);

  let offset = 0;
  for (let row = 0; row < frameHeight; row += 1) {
    for (let column = 0; column < frameWidth; column += 1) {
      const dx = column + 0.5 - centreX;
      const dy = row + 0.5 - centreY;
      const speckle = random.bits();
      let tone = floor + slopeX * dx + slopeY * dy + 5 * Math.sin(column * waveX + row * waveY + phase) + ((speckle & 255) - 127) * 0.05;
      if (speckle >>> 24 < 7) tone += (speckle & 1024) !== 0 ? 34 : -26;
      let channelRed = tone * 0.98;
      let channelGreen = tone;
      let channelBlue = tone * 1.08;

      if (part !== undefined) {
        const x = (dx * cos + dy * sin) * scale;
        const y = (dy * cos - dx * sin) * scale;
        const shadowX = ((dx - 1.6) * cos + (dy - 1.6) * sin) * scale;
        const shadowY = ((dy - 1.6) * cos - (dx - 1.6) * sin) * scale;
        const shade = 1 - 0.42 * clampUnit(0.5 - part(shadowX, shadowY) / 2.2);
        const distance = part(x, y);
        const cover = clampUnit(0.5 - distance);
        const bevel = distance > -1.2 ? -16 : 0;
        const surface = metal + bevel - sheen * (dx + dy) + 7 * Math.sin(y * 2.1);
        channelRed = channelRed * shade * (1 - cover) + (surface + tint) * cover;
        channelGreen = channelGreen * shade * (1 - cover) + surface * cover;
        channelBlue = channelBlue * shade * (1 - cover) + (surface - tint) * cover;
      }

      // Uint8Array wraps around instead of saturating as a sensor does.
      pixels[offset] = toByte(channelRed * red + light.noise * noiseOf(random.bits()));
      pixels[offset + 1] = toByte(channelGreen * green + light.noise * noiseOf(random.bits()));
      pixels[offset + 2] = toByte(channelBlue * blue + light.noise * noiseOf(random.bits()));
      offset += 3;
    }
  }
  return { pixels, label: shown };
}

const toByte = (value: number): number => (value <= 0 ? 0 : value >= 255 ? 255 : Math.round(value));
