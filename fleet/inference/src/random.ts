/** A seeded source of randomness: the same seed draws the same numbers on every engine. */
export interface Random {
  /** Uniform over the 32-bit unsigned integers. */
  bits(): number;
  /** Uniform in [0, 1). */
  uniform(): number;
  /** Uniform in [low, high). */
  between(low: number, high: number): number;
  /** Uniform over the integers 0..limit-1. */
  integer(limit: number): number;
  /** Standard normal. */
  normal(): number;
  /** An independent generator named by the label. It depends on the seed only, not on what was drawn before. */
  fork(label: string): Random;
}

/** FNV-1a with a final avalanche, one 32-bit word per salt. */
function hashWord(text: string, salt: number): number {
  let hash = (0x811c9dc5 ^ salt) >>> 0;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** sfc32 (Doty-Humphrey), seeded from a text. */
export function seededRandom(seed: number | string): Random {
  const key = String(seed);
  let a = hashWord(key, 0x9e3779b9);
  let b = hashWord(key, 0x243f6a88);
  let c = hashWord(key, 0xb7e15162);
  let counter = 1;

  const bits = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return sum >>> 0;
  };
  const uniform = (): number => bits() / 4294967296;

  for (let round = 0; round < 12; round += 1) bits();

  return {
    bits,
    uniform,
    between: (low, high) => low + (high - low) * uniform(),
    integer: (limit) => Math.floor(uniform() * limit),
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    fork: (label) => seededRandom(`${key}/${label}`),
  };
}

/** Fisher-Yates, in place. */
export function shuffle<T extends Int32Array | unknown[]>(random: Random, items: T): T {
  for (let index = items.length - 1; index > 0; index -= 1) {
    const other = random.integer(index + 1);
    const kept = items[index];
    items[index] = items[other];
    items[other] = kept;
  }
  return items;
}
