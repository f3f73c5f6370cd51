import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { variant, type Manifest, type Variant } from '@serin/protocol/bundle/manifest';
import type { MeasuredVariant } from '@serin/protocol/messages/reported';
import { bestOf, candidatesFor, usualCandidates, type CandidateRule, type Target } from './candidates.ts';
import { makeManifest, variantParts } from './testing/models.ts';

let whole: Manifest;
beforeAll(async () => {
  whole = await makeManifest(1, variantParts(variant.options.map((name) => [name, 0])));
});

const withVariants = (...names: Variant[]): Manifest => ({
  ...whole,
  files: whole.files.filter(({ variant: name }) => name === undefined || names.includes(name)),
});
const vnni: Target = { runtime: 'cpu', architecture: 'x64', hasByteProducts: true };
const all: CandidateRule = { countMax: 99, bytesMax: Infinity };
const names = (target: Target, bundle: Manifest, rule?: CandidateRule): Variant[] => candidatesFor(target, bundle, rule).map((choice) => choice.variant);

describe('the variants that a device tries', () => {
  test.each([
    ['x64 with VNNI', vnni, ['u8s8', 'fp32', 'dyn8', 'w8', 'w4', 'u8u8']],
    ['x64 without VNNI', { ...vnni, hasByteProducts: false }, ['u8s8', 'fp32', 'u8u8', 'dyn8', 'w8', 'w4']],
    ['arm64', { ...vnni, architecture: 'arm64' }, ['u8u8', 'fp32', 'u8s8', 'dyn8', 'w8', 'w4']],
    ['arm64 without dot products', { ...vnni, architecture: 'arm64', hasByteProducts: false }, ['fp32', 'u8u8', 'u8s8', 'w8', 'dyn8', 'w4']],
    ['WebAssembly', { ...vnni, runtime: 'wasm' }, ['u8u8', 'u8s8', 'fp32', 'dyn8', 'w8', 'w4']],
    ['WebGPU, which computes 8 bits wrongly', { ...vnni, runtime: 'webgpu' }, ['fp16', 'fp32']],
  ] as const)('of %s', (_, target, expected) => {
    expect(names(target, whole, all)).toEqual(expected);
  });

  test('are as many as it may fetch: the most promising always, a large one not for a comparison', () => {
    const sizes: Partial<Record<Variant, number>> = { u8s8: 1_000, fp32: 4_000, w8: 1_100 };
    const files = withVariants('u8s8', 'fp32', 'w8').files.map((file) => ({
      ...file,
      size: (file.role === 'model' && file.variant && sizes[file.variant]) || file.size,
    }));
    const bundle = { ...whole, files };
    expect(names(vnni, bundle, { countMax: 2, bytesMax: 5_000 })).toEqual(['u8s8', 'fp32']);
    expect(names(vnni, bundle, { countMax: 3, bytesMax: 3_999 })).toEqual(['u8s8', 'w8']);
    expect(names(vnni, bundle, { countMax: 1, bytesMax: 5_000 })).toEqual(['u8s8']);
    expect(names(vnni, bundle, { countMax: 3, bytesMax: 0 })).toEqual(['u8s8']);
  });

  test('are halves on a processor only where there is nothing else, or where the operator says so', () => {
    expect(names(vnni, withVariants('fp16', 'w4'))).toEqual(['w4']);
    expect(names(vnni, withVariants('fp16'))).toEqual(['fp16']);
    expect(names(vnni, whole, { ...all, allowed: ['fp16', 'fp32'] })).toEqual(['fp16', 'fp32']);
  });

  test('are what the operator says, in that order, never what would be wrong', () => {
    expect(names(vnni, whole, { ...all, allowed: ['fp32', 'u8s8'] })).toEqual(['fp32', 'u8s8']);
    expect(names({ ...vnni, runtime: 'webgpu' }, whole, { ...all, allowed: ['u8s8', 'fp32'] })).toEqual(['fp32']);
  });

  test('are never none without a word', () => {
    const refusal = expect.objectContaining({ code: 'BUNDLE_NO_VARIANT', detail: 'it has u8s8; this device takes fp16, fp32' });
    expect(() => candidatesFor({ ...vnni, runtime: 'webgpu' }, withVariants('u8s8'))).toThrow(refusal);
    expect(() => candidatesFor(vnni, withVariants('fp16'), { ...usualCandidates, allowed: ['u8s8'] })).toThrow(
      expect.objectContaining({ code: 'BUNDLE_NO_VARIANT' }),
    );
  });
});

const timed = (name: Variant, p50Ms: number): MeasuredVariant => ({ variant: name, bytes: 1, p50Ms });

describe('the best of what was measured', () => {
  test('is the fastest, as long as it is faster by more than noise; else the more exact one', () => {
    expect(bestOf([timed('u8s8', 10), timed('fp32', 40)])).toBe('u8s8');
    expect(bestOf([timed('u8s8', 10), timed('fp32', 10.2)])).toBe('fp32');
    expect(bestOf([timed('u8s8', 10), timed('fp32', 10.4)])).toBe('u8s8');
    expect(bestOf([timed('u8s8', 0.05), timed('fp32', 0.12)])).toBe('fp32');
    expect(bestOf([timed('w4', 10), timed('u8s8', 10), timed('fp32', 12)])).toBe('u8s8');
  });

  test('is not one whose median alone is better: its quick runs must be quicker too', () => {
    const measured = [timed('u8s8', 10), timed('fp32', 14)];
    const lower = (u8s8: number, fp32: number) =>
      new Map<Variant, number>([
        ['u8s8', u8s8],
        ['fp32', fp32],
      ]);
    expect(bestOf(measured, lower(9, 9.1))).toBe('fp32');
    expect(bestOf(measured, lower(9, 8))).toBe('fp32');
    expect(bestOf(measured, lower(9, 13))).toBe('u8s8');
  });

  test('is never one that failed, and none where all did', () => {
    expect(bestOf([{ ...timed('u8s8', 1), code: 'GOLDEN_MISMATCH' }, timed('fp32', 50)])).toBe('fp32');
    expect(bestOf([{ variant: 'fp32', bytes: 1, code: 'MODEL_LOAD_FAILED' }])).toBeUndefined();
    expect(bestOf([])).toBeUndefined();
  });

  test('does not depend on the order, and is never slower than the fastest by more than the tolerance', () => {
    const measured = fc.uniqueArray(
      fc.record({ variant: fc.constantFrom(...variant.options), bytes: fc.constant(1), p50Ms: fc.double({ min: 0.001, max: 1e4, noNaN: true }) }),
      {
        selector: (one) => one.variant,
        minLength: 1,
      },
    );
    fc.assert(
      fc.property(measured, (candidates) => {
        const best = candidates.find((one) => one.variant === bestOf(candidates));
        const fastest = Math.min(...candidates.map(({ p50Ms }) => p50Ms));
        expect(bestOf(candidates.toReversed())).toBe(best?.variant);
        expect(best?.p50Ms).toBeLessThanOrEqual(Math.max(fastest * 1.03, fastest + 0.1));
      }),
    );
  });
});
