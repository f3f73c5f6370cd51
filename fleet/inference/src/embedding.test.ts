import { expect, test } from 'vitest';

import { embeddingFeaturesMax } from '@serin/protocol/limits';

import { embeddingOutput, embeddingWidth } from './embedding.ts';

test('an embedding is a float32 output of that name, rows of as many features as a window may carry', () => {
  const answer = { name: 'probabilities', dtype: 'float32' as const, shape: [-1, 4] };
  const features = (shape: number[], dtype: 'float32' | 'int8' = 'float32') => [answer, { name: embeddingOutput, dtype, shape }];
  expect(embeddingWidth(features([-1, 128]))).toBe(128);
  expect(embeddingWidth([answer])).toBeUndefined();
  const others = [features([-1, embeddingFeaturesMax + 1]), features([-1, -1]), features([128]), features([-1, 4, 4]), features([-1, 128], 'int8')];
  expect(others.map(embeddingWidth)).toEqual(others.map(() => undefined));
});
