import { hessianOf, packing, unpacking } from './packed-sums.ts';

/** A split that might be made, as numbers in a row: threads show each other theirs. */
export const split = { score: 0, feature: 1, bin: 2, restLeft: 3, leftSum: 4, maskAt: 5, fields: 5 + 8 } as const;

/** `bin` of a split by a category, whose bins that go left are the bits of its mask. */
export const byCategory = -1;

/** What all leaves of a tree are searched by; sums and scores are in whole-number units. */
export interface SearchTerms {
  readonly l2: number;
  readonly categoryL2: number;
  readonly smoothing: number;
  readonly hessianMin: number;
  readonly leafRowsMin: number;
  readonly levelRowsMin: number;
}

/** The leaf that is searched. */
export interface SearchedLeaf {
  /** Packed sum of its rows. */
  readonly sum: number;
  readonly rows: number;
  /** Rows in each place of a histogram, where leaves' sizes must be exact. */
  readonly counts: Int32Array | undefined;
}

/** Levels up to which a category is not pulled towards zero more than a number is. */
const fewLevels = 4;

export const scoreOf = (gradient: number, hessian: number, l2: number): number => (gradient * gradient) / (hessian + l2);

/**
 * Improves on `best` with splits by a number. Values lie in `bins` bins from `at` on; what is missing lies in the bin behind
 * and goes to either side.
 */
export function searchNumber(sums: Float64Array, at: number, bins: number, leaf: SearchedLeaf, terms: SearchTerms, feature: number, best: Float64Array): void {
  const missing = sums[at + bins] as number;
  if (leaf.counts !== undefined) searchCounted(sums, at, bins, leaf, terms, feature, best);
  else if (missing === 0) searchPresent(sums, at, bins, leaf.sum, terms, feature, best);
  else searchMissing(sums, at, bins, leaf.sum, terms, feature, best);
}

/** A share of a score that no rounding reaches: what is worse by more than that is not worth dividing for. */
const hopeless = 1 - 1e-9;

/*
 * Both of these run over every bin of every leaf and are most of what a search costs. A product tells where a score cannot
 * be the best: dividing takes longer. Empty bins are not left out: they repeat the score before, which is not better, and
 * are hard to guess.
 */

function searchPresent(sums: Float64Array, at: number, bins: number, sum: number, { l2, hessianMin }: SearchTerms, feature: number, best: Float64Array): void {
  const gradients = Math.floor(sum * unpacking);
  const hessians = sum - gradients * packing;
  let top = best[split.score] as number;
  let where = -1;
  let topSum = 0;
  let left = 0;
  for (let bin = 0; bin < bins - 1; bin += 1) {
    left += sums[at + bin] as number;
    const gl = Math.floor(left * unpacking);
    const hl = left - gl * packing;
    if (hl < hessianMin) continue;
    const hr = hessians - hl;
    if (hr < hessianMin) break;
    const gr = gradients - gl;
    const dl = hl + l2;
    const dr = hr + l2;
    if (gl * gl * dr + gr * gr * dl <= top * hopeless * (dl * dr)) continue;
    const score = (gl * gl) / dl + (gr * gr) / dr;
    if (score > top) {
      top = score;
      where = bin;
      topSum = left;
    }
  }
  // What will be missing one day goes where most rows go.
  if (where >= 0) keep(best, top, feature, where, 2 * hessianOf(topSum) >= hessians, topSum);
}

function searchMissing(sums: Float64Array, at: number, bins: number, sum: number, { l2, hessianMin }: SearchTerms, feature: number, best: Float64Array): void {
  const gradients = Math.floor(sum * unpacking);
  const hessians = sum - gradients * packing;
  const missing = sums[at + bins] as number;
  const gm = Math.floor(missing * unpacking);
  const hm = missing - gm * packing;
  let top = best[split.score] as number;
  let where = -1;
  let topSum = 0;
  let isMissingLeft = false;
  let left = 0;
  for (let bin = 0; bin < bins; bin += 1) {
    left += sums[at + bin] as number;
    let gl = Math.floor(left * unpacking);
    let hl = left - gl * packing;
    let hr = hessians - hl;
    if (hr < hessianMin) break;
    if (hl >= hessianMin) {
      const gr = gradients - gl;
      const dl = hl + l2;
      const dr = hr + l2;
      if (gl * gl * dr + gr * gr * dl > top * hopeless * (dl * dr)) {
        const score = (gl * gl) / dl + (gr * gr) / dr;
        if (score > top) {
          top = score;
          where = bin;
          topSum = left;
          isMissingLeft = false;
        }
      }
    }
    // Whole numbers: the parts of a sum are the sums of the parts.
    gl += gm;
    hl += hm;
    hr -= hm;
    if (hl < hessianMin || hr < hessianMin || bin === bins - 1) continue;
    const gr = gradients - gl;
    const dl = hl + l2;
    const dr = hr + l2;
    if (gl * gl * dr + gr * gr * dl <= top * hopeless * (dl * dr)) continue;
    const score = (gl * gl) / dl + (gr * gr) / dr;
    if (score > top) {
      top = score;
      where = bin;
      topSum = left + missing;
      isMissingLeft = true;
    }
  }
  if (where >= 0) keep(best, top, feature, where, isMissingLeft, topSum);
}

/** Where leaves' sizes must be exact: seldom, so that nothing but the order of the tries matters. */
function searchCounted(sums: Float64Array, at: number, bins: number, leaf: SearchedLeaf, terms: SearchTerms, feature: number, best: Float64Array): void {
  const missing = sums[at + bins] as number;
  const { counts } = leaf;
  let left = 0;
  let rowsLeft = 0;
  let where = -1;
  for (let bin = 0; bin < (missing === 0 ? bins - 1 : bins); bin += 1) {
    const found = sums[at + bin] as number;
    rowsLeft += counts?.[at + bin] ?? 0;
    if (found === 0) continue;
    left += found;
    if (consider(left, rowsLeft, leaf, terms, terms.l2, feature, bin, false, best)) where = bin;
    if (missing === 0 || bin === bins - 1) continue;
    consider(left + missing, rowsLeft + (counts?.[at + bins] ?? 0), leaf, terms, terms.l2, feature, bin, true, best);
  }
  if (missing === 0 && where >= 0) best[split.restLeft] = 2 * hessianOf(best[split.leftSum] as number) >= hessianOf(leaf.sum) ? 1 : 0;
}

function keep(best: Float64Array, score: number, feature: number, bin: number, restLeft: boolean, leftSum: number): void {
  best[split.score] = score;
  best[split.feature] = feature;
  best[split.bin] = bin;
  best[split.restLeft] = restLeft ? 1 : 0;
  best[split.leftSum] = leftSum;
}

function consider(
  left: number,
  rowsLeft: number,
  { sum, rows, counts }: SearchedLeaf,
  terms: SearchTerms,
  l2: number,
  feature: number,
  bin: number,
  restLeft: boolean,
  best: Float64Array,
): boolean {
  const gl = Math.floor(left * unpacking);
  const hl = left - gl * packing;
  const right = sum - left;
  const gr = Math.floor(right * unpacking);
  const hr = right - gr * packing;
  if (hl < terms.hessianMin || hr < terms.hessianMin) return false;
  if (counts !== undefined && (rowsLeft < terms.leafRowsMin || rows - rowsLeft < terms.leafRowsMin)) return false;
  const score = (gl * gl) / (hl + l2) + (gr * gr) / (hr + l2);
  if (!(score > (best[split.score] as number))) return false;
  keep(best, score, feature, bin, restLeft, left);
  return true;
}

const order = new Int32Array(256);
const ratios = new Float64Array(256);

/**
 * Likewise by a category. Levels with enough rows are sorted by how far they pull and parted somewhere; all others, what is
 * missing among them, go to one side together.
 */
export function searchCategory(
  sums: Float64Array,
  at: number,
  bins: number,
  leaf: SearchedLeaf,
  terms: SearchTerms,
  feature: number,
  best: Float64Array,
): void {
  const { sum, rows, counts } = leaf;
  const hessians = sum - Math.floor(sum * unpacking) * packing;
  let told = 0;
  let rest = sum;
  let restRows = rows;
  for (let bin = 0; bin < bins; bin += 1) {
    const found = sums[at + bin] as number;
    const gradient = Math.floor(found * unpacking);
    const hessian = found - gradient * packing;
    const levelRows = counts === undefined ? (hessian / hessians) * rows : (counts[at + bin] as number);
    if (found === 0 || levelRows < terms.levelRowsMin) continue;
    insert(told, bin, gradient / (hessian + terms.smoothing));
    told += 1;
    rest -= found;
    if (counts !== undefined) restRows -= levelRows;
  }
  const l2 = told <= fewLevels ? terms.l2 : terms.categoryL2;
  let [left, rowsLeft] = [0, 0];
  let [parted, isRestLeft] = [0, false];
  for (let place = 0; place < told - (rest === 0 ? 1 : 0); place += 1) {
    const bin = order[place] as number;
    left += sums[at + bin] as number;
    if (counts !== undefined) rowsLeft += counts[at + bin] as number;
    if (consider(left, rowsLeft, leaf, terms, l2, feature, byCategory, false, best)) [parted, isRestLeft] = [place + 1, false];
    if (rest === 0 || place === told - 1) continue;
    if (consider(left + rest, rowsLeft + restRows, leaf, terms, l2, feature, byCategory, true, best)) [parted, isRestLeft] = [place + 1, true];
  }
  if (parted === 0) return;
  const leftSum = best[split.leftSum] as number;
  // Levels that none of these rows has go where most rows go.
  if (rest === 0) isRestLeft = 2 * (leftSum - Math.floor(leftSum * unpacking) * packing) >= hessians;
  best[split.restLeft] = isRestLeft ? 1 : 0;
  writeMask(best, told, parted, isRestLeft);
}

function insert(count: number, bin: number, ratio: number): void {
  let place = count;
  for (; place > 0 && (ratios[place - 1] as number) > ratio; place -= 1) {
    ratios[place] = ratios[place - 1] as number;
    order[place] = order[place - 1] as number;
  }
  ratios[place] = ratio;
  order[place] = bin;
}

function writeMask(best: Float64Array, told: number, parted: number, isRestLeft: boolean): void {
  const mask = new Uint32Array(8).fill(isRestLeft ? 0xffffffff : 0);
  for (let place = 0; place < told; place += 1) {
    const bin = order[place] as number;
    const [word, bit] = [bin >>> 5, 1 << (bin & 31)];
    mask[word] = place < parted ? (mask[word] as number) | bit : (mask[word] as number) & ~bit;
  }
  best.set(mask, split.maskAt);
}

export const isInMask = (candidate: Float64Array, bin: number): boolean => (((candidate[split.maskAt + (bin >>> 5)] as number) >>> (bin & 31)) & 1) === 1;
