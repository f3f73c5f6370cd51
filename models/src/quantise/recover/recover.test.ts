import { beforeAll, describe, expect, test } from 'vitest';

import { prepare } from '../prepare.ts';
import { noiseOf, referenceOf } from './noise.ts';
import { recover, type RecoverOptions } from './recover.ts';
import { trainSmallDigits, type SmallDigits } from './testing/small-digits.ts';
import { noiseBatches, randomNet, smallNet, unevenChannels } from './testing/uneven-net.ts';

const kindsOf = (path: readonly { step: string; taken: boolean }[]): string[] => path.filter(({ taken }) => taken).map(({ step }) => step);

describe('a network of depthwise convolutions that reads digits', () => {
  let digits: SmallDigits;
  let options: (octaves: number) => RecoverOptions;
  beforeAll(async () => {
    digits = await trainSmallDigits();
    const { model, batches, accuracy: metric } = digits;
    const floatMetric = await metric(model);
    options = (octaves) => ({
      model: unevenChannels(model, octaves),
      prepared: true,
      eager: true,
      batches,
      metric,
      floatMetric,
      lossMax: 0.003,
    });
  });

  test('with even channels needs nothing', async () => {
    const asked = options(0);
    expect(asked.floatMetric).toBeGreaterThan(0.9);
    const { path, quantised } = await recover(asked);
    expect(kindsOf(path)).toEqual(['plain']);
    expect(quantised.report.quantised.length).toBeGreaterThan(5);
  });

  test('with very uneven channels is broken by 8 bits, and comes back within the budget with every layer in 8 bits', async () => {
    const asked = options(10);
    const { path, quantised } = await recover(asked);
    const [plain, last] = [path[0], path.at(-1)];
    expect(plain?.metric).toBeLessThan(0.9 * asked.floatMetric);
    expect(last?.metric).toBeGreaterThanOrEqual(asked.floatMetric * 0.997);
    expect(await digits.accuracy(quantised.model)).toBe(last?.metric);
    expect(kindsOf(path)).toContain('equalise');
    expect(quantised.report.left.filter(({ reason }) => reason === 'excluded')).toEqual([]);
  });
});

describe('a small network', () => {
  const batches = noiseBatches(2);
  /** Of a task that counts nothing: the noise alone says which form is better. */
  const options = async (rest: Partial<RecoverOptions> = {}): Promise<RecoverOptions> => ({
    model: unevenChannels(await smallNet(), 8),
    prepared: true,
    eager: true,
    batches,
    metric: async () => 0.9,
    floatMetric: 1,
    lossMax: 0.01,
    fineTune: { steps: 20 },
    ...rest,
  });

  test.each(['exclude', 'bias', 'equalise', 'fine-tune'] as const)('is nearer to float after %s alone', async (step) => {
    const asked = await options({ steps: [step] });
    const reference = await referenceOf(asked.model, batches, {});
    const { path } = await recover({ ...asked, metric: async (model) => 1 - (await noiseOf(model, reference, {})), lossMax: 0 });
    expect(kindsOf(path)).toEqual(['plain', step]);
    expect(path[1]?.metric).toBeGreaterThan(path[0]?.metric ?? 1);
    expect(path[1]?.sqnrDb).toBeGreaterThan((path[0]?.sqnrDb ?? 0) + 0.5);
  });

  test('whose budget is never reached comes back as well as it can, and the path says by how much it misses', async () => {
    const { path } = await recover(await options({ steps: ['bias', 'equalise'] }));
    expect(path.map(({ step }) => step)).toEqual(['plain', 'bias', 'equalise']);
    expect(path.at(-1)?.words).toMatch(/loss 10 % -> 10 %, [\d.]+ -> [\d.]+ dB; 9 % over the budget of 1 %$/);
    expect(path.every(({ metric }) => metric === 0.9)).toBe(true);
  });

  test('gets no further remedy once the time for it is over, and says so', async () => {
    const { path } = await recover({ ...(await options({})), timeMsMax: 0, now: () => 1 });
    expect(path.map(({ step, taken }) => [step, taken])).toEqual([
      ['plain', true],
      ['exclude', false],
      ['bias', false],
      ['equalise', false],
      ['fine-tune', false],
    ]);
    expect(path.at(-1)?.words).toContain('the 0 s for this were over');
  });

  test('gets its remedies in the order that was asked for, and no more once the budget is kept', async () => {
    let asked = 0;
    const { path } = await recover(await options({ steps: ['equalise', 'bias', 'fine-tune'], metric: async () => (asked++ < 2 ? 0.9 : 1) }));
    expect(path.map(({ step, taken }) => [step, taken])).toEqual([
      ['plain', true],
      ['equalise', true],
      ['bias', true],
    ]);
  });

  test('has layers left in float first, and back in 8 bits once evening out has made up for them', async () => {
    const asked = await options({ steps: ['exclude', 'equalise'] });
    const reference = await referenceOf(asked.model, batches, {});
    // Exclusion alone is not enough for that much.
    const metric: RecoverOptions['metric'] = async (model) => 1 - (await noiseOf(model, reference, {}));
    const { path, quantised } = await recover({ ...asked, metric, floatMetric: 1, lossMax: 0.002 });
    expect(path.map(({ step, taken }) => [step, taken])).toEqual([
      ['plain', true],
      ['exclude', true],
      ['equalise', true],
      ['exclude', true],
    ]);
    expect(path[1]?.words).toMatch(/^exclude: 1 of 4 layers left in float \(\w+; [\d.]+ % of the work\), loss .* -> .* dB$/);
    expect(path[3]?.words).toMatch(/^exclude: 1 of 1 layers back in 8 bits \(\w+; [\d.]+ % of the work\), loss .* -> .* dB$/);
    expect(quantised.report.left.filter(({ reason }) => reason === 'excluded')).toEqual([]);
    expect(await metric(quantised.model)).toBe(path.at(-1)?.metric);
  });

  test('keeps no remedy that makes it worse', async () => {
    let asked = 0;
    const { path, quantised } = await recover(await options({ steps: ['equalise'], metric: async () => (asked++ < 1 ? 0.9 : 0.8) }));
    expect(path[1]).toMatchObject({ step: 'equalise', taken: false, metric: 0.8, words: expect.stringContaining('not taken; 9 % over') });
    expect(quantised.prepared).toBe((await recover(await options({ steps: [], model: quantised.prepared }))).quantised.prepared);
  });

  test('leaves in float only what may be', async () => {
    const { path, quantised } = await recover(await options({ steps: ['exclude'], floatShareMax: 0 }));
    expect(path[1]).toMatchObject({ taken: false, words: expect.stringContaining('too much of the work') });
    expect(quantised.report.left.filter(({ reason }) => reason === 'excluded')).toEqual([]);
  });

  test('says why a remedy does not apply to it', async () => {
    const model = await randomNet(1, (nn, x) => nn.dense(nn.flatten(nn.sigmoid(nn.conv(x, 4))), 2));
    const { path } = await recover(await options({ model, steps: ['equalise'] }));
    expect(path[1]).toMatchObject({ taken: false, words: expect.stringContaining('no two layers follow each other') });
  });

  test('whose metric is no number is not taken for better', async () => {
    const { path } = await recover(await options({ steps: ['equalise'], metric: async () => Number.NaN, floatMetric: 1 }));
    expect(path[0]?.metric).toBeLessThan(-1e300);
    expect(path.at(-1)?.words).toContain('over the budget');
  });

  test('can be cancelled between remedies and tells how far it is', async () => {
    const controller = new AbortController();
    const seen: number[] = [];
    const cancelled = recover(
      await options({
        signal: controller.signal,
        onProgress: (fraction, words) => {
          seen.push(fraction);
          if (words.includes('biases')) controller.abort();
        },
      }),
    );
    await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  });

  test('is prepared where it was not', async () => {
    const model = await smallNet();
    const { quantised } = await recover(await options({ model: { ...model, opsets: { '': 17 } }, prepared: false, steps: [], metric: async () => 1 }));
    expect(quantised.prepared.graph.nodes.map(({ name }) => name)).toEqual((await prepare(model)).model.graph.nodes.map(({ name }) => name));
  });
});
