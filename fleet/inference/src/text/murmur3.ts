const encoder = new TextEncoder();
let bytes = new Uint8Array(1024);

/** MurmurHash3 x86 32-bit (Appleby) of the text's UTF-8; half a surrogate pair counts as U+FFFD. */
export function hashText(text: string, seed: number): number {
  // Three bytes are the most that one UTF-16 unit becomes.
  if (bytes.length < text.length * 3) bytes = new Uint8Array(text.length * 3);
  let length = 0;
  for (; length < text.length; length += 1) {
    const unit = text.charCodeAt(length);
    if (unit > 127) return hashBytes(bytes, encoder.encodeInto(text, bytes).written, seed);
    bytes[length] = unit;
  }
  return hashBytes(bytes, length, seed);
}

function hashBytes(data: Uint8Array, length: number, seed: number): number {
  let hash = seed | 0;
  const whole = length & ~3;
  for (let at = 0; at < whole; at += 4) {
    hash = mixIn(hash, (data[at] ?? 0) | ((data[at + 1] ?? 0) << 8) | ((data[at + 2] ?? 0) << 16) | ((data[at + 3] ?? 0) << 24));
    hash = step(hash);
  }
  if (length > whole) {
    let rest = data[whole] ?? 0;
    if (length - whole > 1) rest |= (data[whole + 1] ?? 0) << 8;
    if (length - whole > 2) rest |= (data[whole + 2] ?? 0) << 16;
    hash = mixIn(hash, rest);
  }
  return finish(hash ^ length);
}

/** The hash of a run of words: MurmurHash3 of their hashes, four little-endian bytes each. */
export function extendHash(run: number, word: number): number {
  return step(mixIn(run, word));
}

export const finishHash = (run: number, words: number): number => finish(run ^ (4 * words));

const mixIn = (hash: number, block: number): number => {
  const scrambled = Math.imul(block, 0xcc9e2d51);
  return hash ^ Math.imul((scrambled << 15) | (scrambled >>> 17), 0x1b873593);
};

const step = (hash: number): number => (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;

function finish(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
