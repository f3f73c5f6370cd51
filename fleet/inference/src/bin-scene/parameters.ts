/**
 * Every number of the synthetic bin of parts. Whoever changes one changes what all figures about this example
 * mean, so a test pins them.
 */
export const frameWidth = 128;
export const frameHeight = 128;
export const frameChannels = 3;
export const frameBytes = frameWidth * frameHeight * frameChannels;

export interface Light {
  /** Illumination relative to the design: 1 as designed, 0.5 half as bright. */
  readonly level: number;
  /** Colour cast: 0 as designed, 1 strongly orange, negative blueish. */
  readonly warmth: number;
  /** Standard deviation of the sensor noise, in 8-bit levels. */
  readonly noise: number;
}

export const designLight: Light = { level: 1, warmth: 0, noise: 3 };

type Range = readonly [low: number, high: number];

/** What a model learns from that shall work in any usual light. */
export const learntLights: Readonly<Record<keyof Light, Range>> = { level: [0.55, 1.6], warmth: [-0.5, 0.5], noise: [2, 5] };
/** What it is judged by: darker, brighter and more coloured than anything learnt. */
export const heldOutLights: readonly Light[] = [
  { level: 0.45, warmth: 0.6, noise: 3 },
  { level: 0.45, warmth: -0.6, noise: 4 },
  { level: 1.75, warmth: 0.6, noise: 3 },
  { level: 1.75, warmth: -0.6, noise: 6 },
];

export interface PartKind {
  readonly label: string;
  /** In how many orientations a turn looks the same: 1 has a heading, Infinity has no angle at all. */
  readonly symmetry: number;
  /** The box around the part in pixels, along its own x and y axis. Its middle is the part's centre. */
  readonly length: number;
  readonly width: number;
}

/** A label is an index into this table. */
export const partKinds: readonly PartKind[] = [
  { label: 'washer', symmetry: Infinity, length: 20, width: 20 },
  { label: 'nut', symmetry: 6, length: 20.8, width: 18 },
  { label: 'plate', symmetry: 2, length: 29, width: 13 },
  { label: 'bolt', symmetry: 1, length: 28, width: 13 },
];

/** Mean tone, and how far red stands above and blue below it. */
interface Finish {
  readonly name: string;
  readonly tone: Range;
  readonly tint: Range;
}

export const bin = {
  partsMin: 5,
  partsMax: 20,
  /** Every part in the bin shows at least this share of itself, so every part is listed. */
  visibleMin: 0.5,
  /** Tries to find a place for a part before the bin counts as full. */
  triesMax: 12,
  wall: [4, 8] as Range,
  scale: [0.94, 1.06] as Range,
  finishes: [
    { name: 'zinc', tone: [116, 150], tint: [-10, 0] },
    { name: 'brass', tone: [106, 138], tint: [26, 40] },
    { name: 'black oxide', tone: [36, 54], tint: [-4, 4] },
  ] as readonly Finish[],
  floor: {
    tone: [84, 112] as Range,
    slope: 0.16,
    waves: 5,
    grain: 9,
    scratches: [2, 7] as Range,
  },
  clutter: {
    screws: [0, 4] as Range,
    shavings: [0, 4] as Range,
    dust: [10, 40] as Range,
  },
  lamp: {
    /** Where the light comes from, in radians; image coordinates, so this is the upper left. */
    azimuth: (-3 * Math.PI) / 4,
    azimuthSpread: 0.6,
    flicker: 0.06,
    /** How much brighter the side towards the lamp is. */
    falloff: [0.04, 0.14] as Range,
    shadowReach: [1.8, 3.2] as Range,
    shadowDepth: [0.4, 0.6] as Range,
  },
};
