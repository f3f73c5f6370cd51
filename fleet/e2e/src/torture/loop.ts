import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import path from 'node:path';
import { deviceId, versionNumber } from '@serin/protocol/ids';
import { activeVersion, bringUp, picker, startStack, type Stack } from '../harness/stack.ts';
import type { Running } from '@serin/demo/processes';
import { createRandom } from '../harness/random.ts';

export const description = 'kill -9 of the control plane and of agents at random moments during a publish; it must always converge';

/** Every window the agent's log says it saw acknowledged, as `device/boot/seq`. */
async function acknowledgedWindows(stack: Stack, device: string): Promise<Set<string>> {
  const seen = new Set<string>();
  for await (const line of createInterface({ input: createReadStream(path.join(stack.folder, `${device}.log`)) })) {
    if (!line.includes('telemetry acknowledged')) continue;
    const { windows } = JSON.parse(line) as { windows: [string, number][] };
    for (const [boot, seq] of windows) seen.add(`${device}/${boot}/${seq}`);
  }
  return seen;
}

export async function run({
  quick,
  seed,
  kills,
}: {
  quick: boolean;
  seed: number;
  kills?: number;
}): Promise<{ passed: boolean; words: string; figures: Record<string, number> }> {
  const rounds = kills ?? (quick ? 6 : 50);
  const random = createRandom(seed);
  const stack = await startStack('embedded');
  const names = ['cam-1', 'cam-2'];
  const agents = new Map<string, Running<unknown>>();
  const startAgent = async (name: string) => void agents.set(name, await stack.startAgent(name));
  let slowestMs = 0;
  try {
    await Promise.all(names.map(startAgent));
    await bringUp(stack, names.length);
    await stack.api('startJob', { body: { kind: 'train', model: picker, seed: 8, rollout: false } });
    await stack.feed.until(
      'a second version',
      async () => (await stack.api('listVersions', { params: { name: picker } })).items.find(({ version }) => version === 2),
      180_000,
    );

    for (let round = 0; round < rounds; round++) {
      const version = round % 2 === 0 ? 2 : 1;
      const victim = ['server', ...names][Math.floor(random() * 3)] ?? 'server';
      const waitMs = Math.floor(random() * 1200);
      await stack.api('startRollout', { body: { model: picker, version: versionNumber.parse(version), strategy: 'all-at-once' } });
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      const began = performance.now();
      if (victim === 'server') {
        await stack.server().kill();
        await stack.startServer();
      } else {
        await agents.get(victim)?.kill();
        await startAgent(victim);
      }
      await stack.feed.until(
        `round ${round}: ${victim} killed after ${waitMs} ms, all serve version ${version}`,
        async () => (await stack.devices()).every((device) => device.online && activeVersion(device) === version),
        120_000,
      );
      const tookMs = performance.now() - began;
      slowestMs = Math.max(slowestMs, tookMs);
      process.stderr.write(`round ${round + 1} of ${rounds}: killed ${victim} after ${waitMs} ms, converged in ${(tookMs / 1000).toFixed(1)} s\n`);
    }

    // Agents are stopped first, so that nothing is acknowledged after the count.
    await Promise.all([...agents.values()].map((agent) => agent.stop()));
    let acknowledged = 0;
    const lost: string[] = [];
    for (const name of names) {
      const seen = await acknowledgedWindows(stack, name);
      acknowledged += seen.size;
      const stored = new Set<string>();
      let cursor: string | undefined;
      do {
        const page = await stack.api('listDeviceWindows', {
          params: { id: deviceId.parse(name) },
          query: { limit: '5000', ...(cursor === undefined ? {} : { cursor }) },
        });
        for (const { boot, seq } of page.items) stored.add(`${name}/${boot}/${seq}`);
        cursor = page.next ?? undefined;
      } while (cursor !== undefined);
      for (const id of seen) if (!stored.has(id)) lost.push(id);
    }
    const passed = lost.length === 0 && acknowledged > 0;
    return {
      passed,
      words: passed
        ? `${rounds} kills: converged every time, slowest ${(slowestMs / 1000).toFixed(1)} s; none of ${acknowledged} acknowledged windows is missing`
        : `${lost.length} of ${acknowledged} acknowledged windows are missing, the first: ${lost[0]}`,
      figures: { kills: rounds, acknowledged, lost: lost.length, slowestMs: Math.round(slowestMs) },
    };
  } finally {
    await stack.stop();
  }
}
