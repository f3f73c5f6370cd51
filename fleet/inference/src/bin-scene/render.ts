import type { Part } from '../detections.ts';
import type { Random } from '../random.ts';
import { bin, frameBytes, frameChannels, frameHeight, frameWidth, partKinds, type Light } from './parameters.ts';
import { shapes, type Shape } from './shapes.ts';

export interface BinFrame {
  /** NHWC, red first. */
  readonly pixels: Uint8Array;
  /** Every part in the bin, the lowest first. */
  readonly parts: readonly Part[];
}

interface PlacedPart {
  readonly label: number;
  readonly shape: Shape;
  readonly x: number;
  readonly y: number;
  readonly angle: number;
  readonly cos: number;
  readonly sin: number;
  readonly scale: number;
  /** Half of the upright box around it. */
  readonly halfX: number;
  readonly halfY: number;
}

interface Inside {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Where the light comes from, and what it does. */
interface Lamp {
  readonly x: number;
  readonly y: number;
  readonly falloff: number;
  readonly reach: number;
  readonly depth: number;
}

const pixelCount = frameWidth * frameHeight;
/** Drawing is synchronous, so one canvas serves every frame. */
const canvas = new Float32Array(frameBytes);
/** One more than the index of the topmost part of a pixel; 0 is floor. */
const topmost = new Uint8Array(pixelCount);

const clampUnit = (value: number): number => (value < 0 ? 0 : value > 1 ? 1 : value);
const within = (random: Random, [low, high]: readonly [number, number]): number => random.between(low, high);

/** Draws one bin. `out`, when given, receives the pixels; `count` fixes how many parts fall into it. */
export function renderBin(random: Random, light: Light, out?: Uint8Array, count?: number): BinFrame {
  const pixels = out ?? new Uint8Array(frameBytes);
  const inside = drawInside(random);
  const lamp = drawLamp(random);
  const wanted = count ?? bin.partsMin + random.integer(bin.partsMax - bin.partsMin + 1);
  const { placed, visible } = placeParts(random, inside, wanted);

  paintFloor(random, inside, lamp);
  paintClutter(random, inside);
  for (const part of placed) paintPart(random, part, lamp);
  paintDust(random);
  expose(random, light, lamp, pixels);

  const parts = placed.map(({ label, x, y, angle }, index) => ({ label, x, y, angle, visible: visible[index] ?? 0 }));
  return { pixels, parts };
}

function drawInside(random: Random): Inside {
  return {
    left: within(random, bin.wall),
    top: within(random, bin.wall),
    right: frameWidth - within(random, bin.wall),
    bottom: frameHeight - within(random, bin.wall),
  };
}

function drawLamp(random: Random): Lamp {
  const { azimuth, azimuthSpread, falloff, shadowReach, shadowDepth } = bin.lamp;
  const direction = azimuth + random.between(-azimuthSpread, azimuthSpread);
  return {
    x: Math.cos(direction),
    y: Math.sin(direction),
    falloff: within(random, falloff),
    reach: within(random, shadowReach),
    depth: within(random, shadowDepth),
  };
}

/** Drops parts one upon the other; one that would hide too much of another is dropped elsewhere. */
function placeParts(random: Random, inside: Inside, wanted: number): { placed: PlacedPart[]; visible: number[] } {
  const placed: PlacedPart[] = [];
  const areas: number[] = [];
  const shown: number[] = [];
  const lost: number[] = [];
  const covered: number[] = [];
  topmost.fill(0);

  for (let tries = 0; placed.length < wanted && tries < bin.triesMax * wanted; tries += 1) {
    const part = drawPart(random, inside);
    covered.length = 0;
    lost.fill(0);
    cover(part, covered);
    for (const pixel of covered) {
      const below = (topmost[pixel] ?? 0) - 1;
      if (below >= 0) lost[below] = (lost[below] ?? 0) + 1;
    }
    if (lost.some((count, index) => count > 0 && (shown[index] ?? 0) - count < bin.visibleMin * (areas[index] ?? 0))) continue;
    lost.forEach((count, index) => {
      shown[index] = (shown[index] ?? 0) - count;
    });
    placed.push(part);
    for (const pixel of covered) topmost[pixel] = placed.length;
    areas.push(covered.length);
    shown.push(covered.length);
    lost.push(0);
  }
  return { placed, visible: shown.map((count, index) => count / (areas[index] ?? 1)) };
}

function drawPart(random: Random, inside: Inside): PlacedPart {
  const label = random.integer(partKinds.length);
  const { length, width } = partKinds[label] as (typeof partKinds)[number];
  const angle = random.between(-Math.PI, Math.PI);
  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  const scale = within(random, bin.scale);
  const halfX = (scale * (Math.abs(cos) * length + Math.abs(sin) * width)) / 2;
  const halfY = (scale * (Math.abs(sin) * length + Math.abs(cos) * width)) / 2;
  return {
    label,
    shape: shapes[label] as Shape,
    x: random.between(inside.left + halfX, inside.right - halfX),
    y: random.between(inside.top + halfY, inside.bottom - halfY),
    angle,
    cos,
    sin,
    scale,
    halfX,
    halfY,
  };
}

/** Lists the pixels whose middle lies in the part. */
function cover({ shape, x, y, cos, sin, scale, halfX, halfY }: PlacedPart, covered: number[]): void {
  const shrink = 1 / scale;
  for (let row = Math.floor(y - halfY); row < y + halfY; row += 1) {
    for (let column = Math.floor(x - halfX); column < x + halfX; column += 1) {
      const dx = (column + 0.5 - x) * shrink;
      const dy = (row + 0.5 - y) * shrink;
      if (shape.distance(dx * cos + dy * sin, dy * cos - dx * sin) < 0) covered.push(row * frameWidth + column);
    }
  }
}

function paintFloor(random: Random, inside: Inside, lamp: Lamp): void {
  const { tone, slope, waves, grain } = bin.floor;
  const base = within(random, tone);
  const slopeX = random.between(-slope, slope);
  const slopeY = random.between(-slope, slope);
  const waveX = random.between(0.1, 0.4);
  const waveY = random.between(0.1, 0.4);
  const phase = random.between(0, 2 * Math.PI);
  // The wave travels along one direction, so two tables make it: sin(a + b).
  const sines = Float64Array.from({ length: frameWidth }, (_, column) => Math.sin(column * waveX + phase));
  const cosines = Float64Array.from({ length: frameWidth }, (_, column) => Math.cos(column * waveX + phase));

  let at = 0;
  for (let row = 0; row < frameHeight; row += 1) {
    const sin = waves * Math.sin(row * waveY);
    const cos = waves * Math.cos(row * waveY);
    for (let column = 0; column < frameWidth; column += 1) {
      const bits = random.bits();
      const grit = (((bits & 255) + ((bits >>> 8) & 255) - 255) * grain) / 255;
      let value = base + slopeX * (column - 64) + slopeY * (row - 64) + (sines[column] ?? 0) * cos + (cosines[column] ?? 0) * sin + grit;
      const depth = wallDepth(inside, column + 0.5, row + 0.5);
      if (depth > -4) value = wallTone(value, depth, inside, column + 0.5, row + 0.5, lamp);
      canvas[at] = value * 0.97;
      canvas[at + 1] = value;
      canvas[at + 2] = value * 1.06;
      at += frameChannels;
    }
  }
  const scratches = Math.round(within(random, bin.floor.scratches));
  for (let index = 0; index < scratches; index += 1) {
    const length = random.between(8, 40);
    paintStroke(random, inside, { length, bend: random.between(-0.01, 0.01), width: 0.5, tone: random.between(-26, 34) });
  }
}

/** How far a point lies inside the wall; negative on the floor. */
const wallDepth = ({ left, top, right, bottom }: Inside, x: number, y: number): number => Math.max(left - x, x - right, top - y, y - bottom);

/** The wall's rim is lighter than the floor; walls towards the lamp throw a shadow on it. */
function wallTone(floor: number, depth: number, { left, top, right, bottom }: Inside, x: number, y: number, lamp: Lamp): number {
  if (depth > 0) return floor * 0.55 + 74 + (depth < 1.4 ? 34 : 0);
  const shaded = Math.max(lamp.x < 0 ? left - x : x - right, lamp.y < 0 ? top - y : y - bottom);
  return floor * (1 - lamp.depth * clampUnit(1 + shaded / 4));
}

interface Stroke {
  readonly length: number;
  /** Turn in radians for every pixel of length. */
  readonly bend: number;
  readonly width: number;
  /** Added to what lies under it. */
  readonly tone: number;
}

function paintStroke(random: Random, inside: Inside, { length, bend, width, tone }: Stroke): void {
  let x = random.between(inside.left, inside.right);
  let y = random.between(inside.top, inside.bottom);
  let angle = random.between(0, 2 * Math.PI);
  for (let done = 0; done < length; done += 0.7) {
    if (wallDepth(inside, x, y) < -1) dab(x, y, width, tone);
    x += 0.7 * Math.cos(angle);
    y += 0.7 * Math.sin(angle);
    angle += 0.7 * bend;
  }
}

/** A soft dot. */
function dab(x: number, y: number, radius: number, tone: number): void {
  for (let row = Math.max(0, Math.floor(y - radius - 0.5)); row <= Math.min(frameHeight - 1, y + radius); row += 1) {
    for (let column = Math.max(0, Math.floor(x - radius - 0.5)); column <= Math.min(frameWidth - 1, x + radius); column += 1) {
      const amount = tone * clampUnit(radius + 0.5 - Math.hypot(column + 0.5 - x, row + 0.5 - y));
      const at = (row * frameWidth + column) * frameChannels;
      for (let channel = 0; channel < frameChannels; channel += 1) canvas[at + channel] = (canvas[at + channel] ?? 0) + amount;
    }
  }
}

/** What lies about under the parts and is none of them: small screws and curled shavings. */
function paintClutter(random: Random, inside: Inside): void {
  const shavings = Math.round(within(random, bin.clutter.shavings));
  for (let index = 0; index < shavings; index += 1) {
    paintStroke(random, inside, { length: random.between(8, 24), bend: random.between(-0.3, 0.3), width: 0.7, tone: random.between(30, 70) });
  }
  const screws = Math.round(within(random, bin.clutter.screws));
  for (let index = 0; index < screws; index += 1) {
    const x = random.between(inside.left + 6, inside.right - 6);
    const y = random.between(inside.top + 6, inside.bottom - 6);
    const angle = random.between(0, 2 * Math.PI);
    const tone = random.between(40, 80);
    for (let along = 0; along < 8; along += 1) dab(x + along * Math.cos(angle) + 1, y + along * Math.sin(angle) + 1, 0.8, -26);
    dab(x, y, 2, tone);
    for (let along = 2; along < 8; along += 1) dab(x + along * Math.cos(angle), y + along * Math.sin(angle), 0.7, along % 2 === 0 ? tone * 0.6 : tone * 0.3);
  }
}

function paintDust(random: Random): void {
  const dust = Math.round(within(random, bin.clutter.dust));
  for (let index = 0; index < dust; index += 1) {
    dab(random.between(0, frameWidth), random.between(0, frameHeight), random.between(0.1, 0.7), random.uniform() < 0.5 ? 36 : -30);
  }
}

function paintPart(random: Random, part: PlacedPart, lamp: Lamp): void {
  const { shape, x, y, cos, sin, scale } = part;
  const finish = bin.finishes[random.integer(bin.finishes.length)] as (typeof bin.finishes)[number];
  const metal = within(random, finish.tone);
  const tint = within(random, finish.tint);
  const sheen = random.between(0.5, 1.2);
  const glintAt = random.between(-8, 8);
  const glint = random.between(8, 46);
  const shrink = 1 / scale;
  const reach = lamp.reach + 1.5;
  const halfX = part.halfX + reach;
  const halfY = part.halfY + reach;
  const rightmost = Math.min(frameWidth - 1, x + halfX);
  const lowest = Math.min(frameHeight - 1, y + halfY);
  /** The lamp as the part sees it. */
  const lampX = lamp.x * cos + lamp.y * sin;
  const lampY = lamp.y * cos - lamp.x * sin;
  const { distance, texture } = shape;

  for (let row = Math.max(0, Math.floor(y - halfY)); row <= lowest; row += 1) {
    for (let column = Math.max(0, Math.floor(x - halfX)); column <= rightmost; column += 1) {
      const dx = (column + 0.5 - x) * shrink;
      const dy = (row + 0.5 - y) * shrink;
      const ownX = dx * cos + dy * sin;
      const ownY = dy * cos - dx * sin;
      const outside = distance(ownX, ownY) * scale;
      if (outside > reach) continue;
      const at = (row * frameWidth + column) * frameChannels;
      const amount = clampUnit(0.5 - outside);
      let shade = 1;
      if (amount < 1) {
        const shadow = distance(ownX + lampX * lamp.reach, ownY + lampY * lamp.reach);
        shade = (1 - lamp.depth * clampUnit(0.5 - shadow / 2.4)) * (1 - amount);
      }
      let surface = 0;
      if (amount > 0) {
        const along = dx * lamp.x + dy * lamp.y;
        const off = (along - glintAt) / 3;
        surface = metal * (1 + (sheen * along) / 60) + texture(ownX, ownY) + glint / (1 + off * off);
        if (outside > -1.8) {
          // The rim slopes away: light towards the lamp, dark away from it.
          const slopeX = distance(ownX + 0.5, ownY) - distance(ownX - 0.5, ownY);
          const slopeY = distance(ownX, ownY + 0.5) - distance(ownX, ownY - 0.5);
          surface += 34 * (slopeX * lampX + slopeY * lampY) - 8;
        }
      }
      canvas[at] = (canvas[at] ?? 0) * shade + (surface + tint) * amount;
      canvas[at + 1] = (canvas[at + 1] ?? 0) * shade + surface * amount;
      canvas[at + 2] = (canvas[at + 2] ?? 0) * shade + (surface - tint) * amount;
    }
  }
}

/** Standard normal numbers at even quantiles: ten random bits choose one, near enough for a sensor. */
const grains = Float64Array.from({ length: 1024 }, (_, index) => quantile((index + 0.5) / 1024));

/** Normal quantile by the logistic approximation with a cubic term, wrong by less than 0.02 here. */
function quantile(share: number): number {
  const logit = Math.log(share / (1 - share));
  return logit / 1.702 / (1 + 0.0165 * Math.abs(logit));
}

/** Light, colour cast and sensor noise turn tones into bytes. */
function expose(random: Random, { level, warmth, noise }: Light, lamp: Lamp, pixels: Uint8Array): void {
  const exposure = level * (1 + random.between(-bin.lamp.flicker, bin.lamp.flicker));
  const red = exposure * (1 + 0.18 * warmth);
  const green = exposure * (1 - 0.12 * warmth);
  const blue = exposure * (1 - 0.55 * warmth);
  const slopeX = (lamp.falloff * lamp.x) / (frameWidth / 2);
  const slopeY = (lamp.falloff * lamp.y) / (frameHeight / 2);
  let at = 0;
  for (let row = 0; row < frameHeight; row += 1) {
    for (let column = 0; column < frameWidth; column += 1) {
      const nearness = 1 + slopeX * (column - 63.5) + slopeY * (row - 63.5);
      const bits = random.bits();
      pixels[at] = toByte((canvas[at] ?? 0) * red * nearness + noise * (grains[bits & 1023] ?? 0));
      pixels[at + 1] = toByte((canvas[at + 1] ?? 0) * green * nearness + noise * (grains[(bits >>> 10) & 1023] ?? 0));
      pixels[at + 2] = toByte((canvas[at + 2] ?? 0) * blue * nearness + noise * (grains[(bits >>> 20) & 1023] ?? 0));
      at += frameChannels;
    }
  }
}

/** Uint8Array wraps around instead of saturating as a sensor does. */
const toByte = (value: number): number => (value <= 0 ? 0 : value >= 255 ? 255 : (value + 0.5) | 0);
