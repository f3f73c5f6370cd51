import { versionNumber } from '@serin/protocol/ids';
import { activeVersion, bringUp, picker, startStack } from '../harness/stack.ts';
import { percentile, type Report } from '../harness/report.ts';

export const description = 'publish to last device serving: two agents, embedded stack; alternates between two versions';

/** From the call that publishes the order until the last of two agents answers frames with it; the first swap downloads, later ones may not. */
export async function run({ quick }: { quick: boolean }): Promise<Report> {
  const rounds = quick ? 4 : 20;
  const stack = await startStack('embedded');
  try {
    await Promise.all([stack.startAgent('cam-1'), stack.startAgent('cam-2')]);
    await bringUp(stack, 2);
    await stack.api('startJob', { body: { kind: 'train', model: picker, seed: 8, rollout: false } });
    const second = await stack.feed.until(
      'a second version',
      async () => (await stack.api('listVersions', { params: { name: picker } })).items.find(({ version }) => version === 2),
      180_000,
    );

    const swap = async (version: number): Promise<number> => {
      const began = performance.now();
      await stack.api('startRollout', { body: { model: picker, version: versionNumber.parse(version), strategy: 'all-at-once' } });
      await stack.feed.until(`both serve version ${version}`, async () => (await stack.devices()).every((device) => activeVersion(device) === version));
      return performance.now() - began;
    };
    const downloadMs = await swap(second.version);
    const swapsMs: number[] = [];
    for (let round = 0; round < rounds; round++) swapsMs.push(await swap(round % 2 === 0 ? 1 : 2));
    const figures = {
      bundleBytes: second.bytes,
      firstWithDownloadMs: Math.round(downloadMs),
      swapP50Ms: Math.round(percentile(swapsMs, 0.5)),
      swapMaxMs: Math.round(Math.max(...swapsMs)),
      rounds,
    };
    return {
      table: [
        ['what', 'ms'],
        ['publish to last device serving, with download', String(figures.firstWithDownloadMs)],
        ['the same, bundle already on the devices, median', String(figures.swapP50Ms)],
        ['the same, slowest', String(figures.swapMaxMs)],
      ],
      figures,
    };
  } finally {
    await stack.stop();
  }
}
