/**
 * DDSketch (Masson, Rim, Lee 2019): quantiles of positive values with a relative error of at most `alpha`, in
 * bounded memory, and merging that is exact: merged sketches equal the sketch of all values.
 *
 * Assumption: values are latencies or sizes, so >= 0. When a sketch outgrows its bucket limit the *lowest*
 * buckets share one, which costs the low quantiles their precision and never the high ones. At 1 % the limit
 * covers a range of 10^17, so it only guards against nonsense.
 */

/** The form on the wire: counts[i] belongs to bucket offset + i. Plain JSON; min and max are 0 when empty. */
export interface SketchData {
  alpha: number;
  zero: number;
  offset: number;
  counts: number[];
  sum: number;
  count: number;
  min: number;
  max: number;
}

export const SKETCH_ALPHA = 0.01;
export const SKETCH_BUCKETS_MAX = 2048;

/** Smaller values count as zero. */
const SMALLEST = 1e-9;
/** A finer sketch would need more buckets than any sketch has. */
const ALPHA_MIN = 1e-4;

export class DDSketch {
  readonly alpha: number;
  readonly #bucketsMax: number;
  readonly #lnGamma: number;
  #zero = 0;
  #offset = 0;
  #counts: number[] = [];
  #sum = 0;
  #count = 0;
  #min = Infinity;
  #max = -Infinity;

  constructor(alpha = SKETCH_ALPHA, bucketsMax = SKETCH_BUCKETS_MAX) {
    if (!(alpha >= ALPHA_MIN && alpha < 1)) throw new RangeError(`alpha must lie between ${ALPHA_MIN} and 1, got ${alpha}`);
    if (!(Number.isInteger(bucketsMax) && bucketsMax > 0)) throw new RangeError('a sketch needs at least one bucket');
    this.alpha = alpha;
    this.#bucketsMax = bucketsMax;
    this.#lnGamma = Math.log((1 + alpha) / (1 - alpha));
  }

  get count(): number {
    return this.#count;
  }

  get sum(): number {
    return this.#sum;
  }

  /** Counts a value; a negative, infinite or NaN one is left out and answered with false. */
  add(value: number): boolean {
    if (!(value >= 0 && value < Infinity)) return false;
    if (value < SMALLEST) this.#zero++;
    // + 0 turns the -0 of a value just below one into a 0, which JSON cannot tell apart.
    else this.#addToBucket(Math.ceil(Math.log(value) / this.#lnGamma) + 0, 1);
    this.#sum += value;
    this.#count++;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
    return true;
  }

  /** Adds everything the other sketch has seen. */
  merge(other: DDSketch): void {
    if (other.alpha !== this.alpha) {
      throw new RangeError(`sketches of alpha ${this.alpha} and ${other.alpha} do not merge`);
    }
    if (other.#counts.length > 0) this.#reach(other.#offset + other.#counts.length - 1);
    other.#counts.forEach((count, i) => {
      if (count > 0) this.#addToBucket(other.#offset + i, count);
    });
    this.#zero += other.#zero;
    this.#sum += other.#sum;
    this.#count += other.#count;
    this.#min = Math.min(this.#min, other.#min);
    this.#max = Math.max(this.#max, other.#max);
  }

  /** The value at rank q of 0..1, within alpha of it; NaN when nothing was counted. */
  quantile(q: number): number {
    if (this.#count === 0 || !(q >= 0 && q <= 1)) return Number.NaN;
    const rank = q * (this.#count - 1);
    let seen = this.#zero;
    if (rank < seen) return this.#clamp(0);
    for (let i = 0; i < this.#counts.length; i++) {
      seen += this.#counts[i]!;
      if (rank < seen) return this.#clamp(this.#bucketValue(this.#offset + i));
    }
    return this.#max;
  }

  /** How many values lie above a limit, counted by whole buckets (so within alpha of the limit). */
  countAbove(limit: number): number {
    let above = limit < 0 ? this.#zero : 0;
    this.#counts.forEach((count, i) => {
      if (this.#bucketValue(this.#offset + i) > limit) above += count;
    });
    return above;
  }

  toData(): SketchData {
    const empty = this.#count === 0;
    return {
      alpha: this.alpha,
      zero: this.#zero,
      offset: this.#offset,
      counts: [...this.#counts],
      sum: this.#sum,
      count: this.#count,
      min: empty ? 0 : this.#min,
      max: empty ? 0 : this.#max,
    };
  }

  /** Rebuilds a sketch; refuses data whose parts contradict each other. */
  static fromData(data: SketchData, bucketsMax = SKETCH_BUCKETS_MAX): DDSketch {
    const sketch = new DDSketch(data.alpha, bucketsMax);
    const total = data.counts.reduce((sum, count) => sum + count, data.zero);
    const isCount = (value: number) => Number.isSafeInteger(value) && value >= 0;
    if (![data.zero, data.count, ...data.counts].every(isCount) || total !== data.count) {
      throw new RangeError('the counts of a sketch must be whole and add up to its count');
    }
    if (![data.sum, data.min, data.max].every((value) => value >= 0 && value < Infinity) || data.min > data.max) {
      throw new RangeError('the sum, min and max of a sketch must be plain numbers');
    }
    if (data.counts.length > bucketsMax) throw new RangeError(`a sketch has at most ${bucketsMax} buckets`);
    // Rounding of logarithms may put the largest number there is one bucket further.
    const reach = Math.ceil(Math.log(Number.MAX_VALUE) / sketch.#lnGamma) + 1;
    if (!Number.isInteger(data.offset) || data.offset < -reach || data.offset + data.counts.length - 1 > reach) {
      throw new RangeError('the buckets of a sketch must belong to numbers');
    }
    sketch.#zero = data.zero;
    sketch.#offset = data.offset;
    sketch.#counts = [...data.counts];
    sketch.#sum = data.sum;
    sketch.#count = data.count;
    sketch.#min = data.count === 0 ? Infinity : data.min;
    sketch.#max = data.count === 0 ? -Infinity : data.max;
    return sketch;
  }

  #bucketValue(index: number): number {
    return (Math.exp(index * this.#lnGamma) * 2) / (1 + Math.exp(this.#lnGamma));
  }

  #clamp(value: number): number {
    return Math.min(Math.max(value, this.#min), this.#max);
  }

  #addToBucket(index: number, count: number): void {
    this.#reach(index);
    const at = Math.max(index - this.#offset, 0);
    this.#counts[at] = this.#counts[at]! + count;
  }

  /** Makes room for a bucket; below the limit it stands in for every lower one. */
  #reach(index: number): void {
    if (this.#counts.length === 0) {
      this.#offset = index;
      this.#counts = [0];
    }
    const top = Math.max(this.#offset + this.#counts.length - 1, index);
    const bottom = Math.max(Math.min(this.#offset, index), top - this.#bucketsMax + 1);
    if (bottom < this.#offset) this.#counts.unshift(...Array.from({ length: this.#offset - bottom }, () => 0));
    if (bottom > this.#offset) {
      const folded = this.#counts.splice(0, bottom - this.#offset).reduce((sum, count) => sum + count, 0);
      if (this.#counts.length === 0) this.#counts = [0];
      this.#counts[0] = this.#counts[0]! + folded;
    }
    this.#offset = bottom;
    while (this.#offset + this.#counts.length - 1 < top) this.#counts.push(0);
  }
}
