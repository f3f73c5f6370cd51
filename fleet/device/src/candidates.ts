import { choiceOf, variant, type BundleChoice, type Manifest, type Variant } from '@serin/protocol/bundle/manifest';
import { SerinError } from '@serin/protocol/errors';
import type { MeasuredVariant } from '@serin/protocol/messages/reported';

/** What would run a model: enough to know which variants are worth a try. */
export interface Target {
  runtime: 'cpu' | 'wasm' | 'webgpu';
  /** As Node calls it. */
  architecture: string;
  /** Products of bytes are summed by one instruction: VNNI of x64, the dot product of arm64. */
  hasByteProducts: boolean;
}

export interface CandidateRule {
  /** The operator's word: these alone, and in this order. */
  allowed?: readonly Variant[] | undefined;
  /** Variants tried. */
  countMax: number;
  /** Of the models that are tried besides the first: a small link is not flooded for a comparison. */
  bytesMax: number;
}

export const usualCandidates: CandidateRule = { countMax: 3, bytesMax: 64 * 1024 * 1024 };

/**
 * The most promising first; which one is best is then measured. With VNNI u8u8 is slower than floats, without it u8s8 is
 * only right with weights of 7 bits (the golden vectors tell). WebAssembly is fastest with u8u8. WebGPU computes 8 bits wrongly.
 */
export function promising({ runtime, architecture, hasByteProducts }: Target): readonly Variant[] {
  if (runtime === 'webgpu') return ['fp16', 'fp32'];
  if (runtime === 'wasm') return ['u8u8', 'u8s8', 'fp32', 'dyn8', 'w8', 'w4'];
  if (architecture === 'arm64') return hasByteProducts ? ['u8u8', 'fp32', 'u8s8', 'dyn8', 'w8', 'w4'] : ['fp32', 'u8u8', 'u8s8', 'w8', 'dyn8', 'w4'];
  return hasByteProducts ? ['u8s8', 'fp32', 'dyn8', 'w8', 'w4', 'u8u8'] : ['u8s8', 'fp32', 'u8u8', 'dyn8', 'w8', 'w4'];
}

/** Those that this target tries, the most promising first; never none. BUNDLE_NO_VARIANT where it could run none of them. */
export function candidatesFor(target: Target, bundle: Manifest, { allowed, countMax, bytesMax }: CandidateRule = usualCandidates): BundleChoice[] {
  const present = (wanted: readonly Variant[]): BundleChoice[] => wanted.flatMap((name) => choiceOf(bundle, name) ?? []);
  const order = promising(target);
  // A CPU turns halves into floats and back at every step: that is for bundles that have nothing else.
  const runnable = target.runtime === 'webgpu' ? order : variant.options;
  const wanted = allowed === undefined ? order : allowed.filter((name) => runnable.includes(name));
  const found = present(wanted);
  const [first, ...others] = found.length === 0 && allowed === undefined && target.runtime !== 'webgpu' ? present(['fp16']) : found;
  if (first === undefined) {
    const names = bundle.files.flatMap(({ role, variant: name }) => (role === 'model' && name !== undefined ? [name] : []));
    throw new SerinError('BUNDLE_NO_VARIANT', { detail: `it has ${names.join(', ') || 'none'}; this device takes ${wanted.join(', ') || 'none'}` });
  }
  const kept = [first];
  let bytes = 0;
  for (const other of others) {
    if (kept.length >= countMax || bytes + other.model.size > bytesMax) continue;
    bytes += other.model.size;
    kept.push(other);
  }
  return kept;
}

/** Who is so little slower than the fastest is as fast: a page's clock has ticks of a tenth of a millisecond. */
const slowerShareMax = 0.03;
const slowerMsMax = 0.1;
const isAsFast = (ms: number, fastestMs: number): boolean => ms <= Math.max(fastestMs * (1 + slowerShareMax), fastestMs + slowerMsMax);
const exactFirst: readonly Variant[] = ['fp32', 'fp16', 'w8', 'u8u8', 'u8s8', 'dyn8', 'w4'];

/**
 * Of those that are as fast as the fastest the most exact one: nothing is given up for noise. Undefined where none may serve.
 * A busy machine moves medians, but hardly the quick runs: who is as fast by its lower quartile is as fast as well.
 */
export function bestOf(measured: readonly MeasuredVariant[], lowerQuartileMs: ReadonlyMap<Variant, number> = new Map()): Variant | undefined {
  const able = measured.flatMap(({ variant: name, code, p50Ms }) =>
    code === undefined && p50Ms !== undefined ? [{ name, p50Ms, lowerMs: lowerQuartileMs.get(name) ?? p50Ms }] : [],
  );
  const [fastest] = able.toSorted((one, other) => one.p50Ms - other.p50Ms);
  if (fastest === undefined) return undefined;
  const fast = able.filter(({ p50Ms, lowerMs }) => isAsFast(p50Ms, fastest.p50Ms) || isAsFast(lowerMs, fastest.lowerMs)).map(({ name }) => name);
  return exactFirst.find((name) => fast.includes(name));
}
