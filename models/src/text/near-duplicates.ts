import { seededRandom } from '@serin/inference/random';

export interface NearDuplicateOptions {
  /** Share of common runs of words (Jaccard) from which two texts count as the same; an estimate. */
  readonly similarity?: number;
  /** Words a run has. */
  readonly run?: number;
}

const bands = 16;
const rowsPerBand = 4;
const hashes = bands * rowsPerBand;
/** Texts of one bucket that others are compared with: what is like none of them begins a group of its own there. */
const comparedMax = 8;
/** What even very long texts are told by. */
const runsMax = 20_000;

/**
 * Numbers texts so that those which are nearly the same share a number: MinHash of their runs of words, found by bands
 * (Broder 1997; Leskovec, Rajaraman and Ullman, chapter 3). Takes the hashes of each text's words.
 */
export function groupNearDuplicates(texts: readonly Int32Array[], { similarity = 0.6, run = 4 }: NearDuplicateOptions = {}): Int32Array {
  const signatures = new Uint32Array(texts.length * hashes);
  const functions = drawFunctions();
  texts.forEach((words, index) => sign(words, run, functions, signatures.subarray(index * hashes, (index + 1) * hashes)));
  const parents = Int32Array.from(texts, (_, index) => index);
  const needed = similarity * hashes;
  for (let band = 0; band < bands; band += 1) {
    const buckets = new Map<string, number[]>();
    for (let index = 0; index < texts.length; index += 1) {
      const from = index * hashes + band * rowsPerBand;
      const key = signatures.subarray(from, from + rowsPerBand).join();
      const members = buckets.get(key) ?? [];
      if (members.length === 0) buckets.set(key, members);
      const like = members.find((other) => rootOf(parents, other) === rootOf(parents, index) || agreeing(signatures, other, index) >= needed);
      if (like !== undefined) unite(parents, like, index);
      else if (members.length < comparedMax) members.push(index);
    }
  }
  return parents.map((_, index) => rootOf(parents, index));
}

interface HashFunction {
  readonly factor: number;
  readonly offset: number;
}

function drawFunctions(): HashFunction[] {
  const random = seededRandom('near duplicates');
  return Array.from({ length: hashes }, () => ({ factor: random.bits() | 1, offset: random.bits() }));
}

/** The smallest hash of any run, for each function. Texts shorter than a run are one run; texts of nothing are all alike. */
function sign(words: Int32Array, run: number, functions: readonly HashFunction[], signature: Uint32Array): void {
  signature.fill(0xffffffff);
  const runs = Math.min(runsMax, Math.max(words.length === 0 ? 0 : 1, words.length - run + 1));
  for (let start = 0; start < runs; start += 1) {
    let hash = 0x811c9dc5;
    for (let at = start; at < Math.min(start + run, words.length); at += 1) hash = scramble(hash ^ (words[at] ?? 0));
    for (let index = 0; index < hashes; index += 1) {
      const { factor, offset } = functions[index] as HashFunction;
      const value = scramble(Math.imul(hash, factor) + offset);
      if (value < (signature[index] ?? 0)) signature[index] = value;
    }
  }
}

const scramble = (value: number): number => {
  const once = Math.imul(value ^ (value >>> 16), 0x7feb352d);
  const twice = Math.imul(once ^ (once >>> 15), 0x846ca68b);
  return (twice ^ (twice >>> 16)) >>> 0;
};

function agreeing(signatures: Uint32Array, one: number, other: number): number {
  let equal = 0;
  for (let index = 0; index < hashes; index += 1) if (signatures[one * hashes + index] === signatures[other * hashes + index]) equal += 1;
  return equal;
}

function rootOf(parents: Int32Array, start: number): number {
  let index = start;
  for (let parent = parents[index] ?? index; parent !== index; parent = parents[index] ?? index) {
    parents[index] = parents[parent] ?? parent;
    index = parents[index] ?? parent;
  }
  return index;
}

/** The smaller number stands for both, so groups do not depend on the order in which they were found. */
function unite(parents: Int32Array, one: number, other: number): void {
  const [a, b] = [rootOf(parents, one), rootOf(parents, other)];
  parents[Math.max(a, b)] = Math.min(a, b);
}
