import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deviceId, versionNumber } from '@serin/protocol/ids';
import { programs } from '@serin/demo/processes';
import { activeVersion, bringUp, picker, startStack, untilFinished, type Stack, type StackKind } from './stack.ts';

const run = promisify(execFile);
/** A file for each kind of stack: they wait for windows most of the time, so they run side by side. */
export function describeLoop(kind: StackKind): void {
  describe(`the loop on the ${kind} stack`, () => {
    let stack: Stack;
    const fleetSize = 5;

    beforeAll(async () => {
      stack = await startStack(kind);
      await Promise.all([stack.startAgent('cam-1'), stack.startAgent('cam-2'), stack.startVirtual(3)]);
      await bringUp(stack, fleetSize);
    }, 300_000);

    afterAll(async () => {
      await stack?.stop();
    }, 60_000);

    /** Frames keep flowing: no device failed one, and each still infers. */
    async function expectFramesFlow(): Promise<void> {
      for (const device of await stack.devices()) {
        expect(device.live, device.id).not.toBeNull();
        expect(device.live?.inferencesPerS, device.id).toBeGreaterThan(0);
      }
      const { stdout } = await run(process.execPath, [programs.cli, 'device', 'ls', '-o', 'json'], {
        env: { PATH: process.env.PATH ?? '', SERIN_URL: stack.server().ready.httpUrl, SERIN_TOKEN: stack.server().ready.adminToken },
      });
      expect(JSON.parse(stdout)).toHaveLength(fleetSize);
    }

    test('the first version is trained, signed, sent over MQTT, verified and serves frames on every device', async () => {
      const { items: versions } = await stack.api('listVersions', { params: { name: picker } });
      expect(versions).toHaveLength(1);
      expect(versions[0]?.metrics.map50).toBeGreaterThan(0.85);
      expect(versions[0]?.metrics.framesRight).toBeGreaterThan(0.85);
      for (const device of await stack.devices()) {
        expect(device.models[0]).toMatchObject({ version: 1, desiredVersion: 1, phase: 'IDLE', last: { outcome: 'COMMITTED' } });
        expect(device.windows.missing).toBe(0);
      }
      await expectFramesFlow();
    });

    test('every device measured the variants of the version, runs one of them and says so', async () => {
      const figures = { p50Ms: expect.any(Number), p90Ms: expect.any(Number), loadMs: expect.any(Number), goldenDifference: expect.any(Number) };
      const [version] = (await stack.api('listVersions', { params: { name: picker } })).items;
      const names = version?.variants.map(({ name }) => name as string).toSorted() ?? [];
      expect(names).toContain('fp32');
      expect(names.length).toBeGreaterThan(1);
      for (const { id, models } of await stack.devices()) {
        const [model] = models;
        const measured = model?.measured.toSorted((one, other) => one.variant.localeCompare(other.variant));
        expect(measured, id).toEqual(names.map((variant) => ({ variant, bytes: expect.any(Number), ...figures })));
        expect(measured?.map(({ variant }) => variant as string)).toContain(model?.variant);
      }
      expect(version?.variants.reduce((sum, { devices }) => sum + devices, 0)).toBe(fleetSize);
      for (const { p50Ms } of version?.variants ?? []) expect(p50Ms).toBeGreaterThan(0);
    });

    test('the light changes: an alert, a retraining, one device first, then all of them', async () => {
      stack.setLight({ level: 0.3, warmth: 0.8 });
      const alert = await stack.feed.until('an alert', async () => (await stack.api('listAlerts', { query: { state: 'OPEN' } })).items[0], 120_000);
      expect(alert.effect).toBeGreaterThanOrEqual(0.1);
      expect(alert.assumption).not.toBe('');
      const job = await stack.feed.until(
        'the retraining ends',
        async () => (await stack.api('listJobs', { query: {} })).items.find((item) => item.kind === 'retrain' && item.finishedAt !== null),
        240_000,
      );
      expect(job).toMatchObject({ status: 'SUCCEEDED', version: 2 });
      const rollout = await untilFinished(stack, 2, 240_000);
      expect(rollout.status).toBe('COMPLETED');
      expect(rollout.members.filter((member) => member.stage === 0)).toHaveLength(1);
      expect(rollout.verdict?.state).toBe('good');
      await stack.feed.until('all on version 2', async () => (await stack.devices()).every((device) => activeVersion(device) === 2));
      await expectFramesFlow();
    }, 600_000);

    test('a version that misbehaves is thrown back by itself, and only its canary ever ran it', async () => {
      const published = await stack.api('demoPublish', { body: { kind: 'misbehaving' } });
      const rollout = await untilFinished(stack, published.version, 240_000);
      expect(rollout.status).toBe('ROLLED_BACK');
      expect(rollout.members.filter((member) => member.outcome !== 'PENDING')).toHaveLength(1);
      expect(rollout.verdict?.state).toBe('bad');
      await stack.feed.until('all on version 2', async () => (await stack.devices()).every((device) => activeVersion(device) === 2));
      await expectFramesFlow();
    }, 300_000);

    test.each([
      ['corrupted', 'BUNDLE_DIGEST_MISMATCH'],
      ['wrong-signature', 'BUNDLE_SIGNATURE_INVALID'],
    ] as const)(
      'a %s version is refused by every device, which stays on its version and says why',
      async (harm, code) => {
        const published = await stack.api('demoPublish', { body: { kind: harm } });
        expect((await untilFinished(stack, published.version)).status).toBe('ROLLED_BACK');
        // The canary's refusal ended that rollout. Everybody is ordered to install it now, and again: the first refusal ends a
        // rollout, and whoever had not come so far is called back before it could refuse.
        const refused = new Set<string>();
        for (let round = 0; round < 20 && refused.size < fleetSize; round++) {
          const { id } = await stack.api('startRollout', { body: { model: picker, version: versionNumber.parse(published.version), strategy: 'all-at-once' } });
          await stack.feed.until('the order to all has ended', async () => {
            for (const { id: device, models } of await stack.devices()) {
              if (models[0]?.last?.version === published.version && models[0].last.code === code) refused.add(device);
            }
            return (await stack.api('getRollout', { params: { id } })).finishedAt !== null;
          });
        }
        expect([...refused].sort()).toEqual(['cam-1', 'cam-2', 'sim-1', 'sim-2', 'sim-3']);
        for (const device of await stack.devices()) expect(activeVersion(device)).toBe(2);
        await expectFramesFlow();
      },
      240_000,
    );

    test('a revoked device is cut off at once and its evidence is ignored from then on', async () => {
      const victim = deviceId.parse('sim-3');
      await stack.api('revokeDevice', { params: { id: victim } });
      const device = await stack.feed.until('it is offline', async () => {
        const found = await stack.device(victim);
        return found.online ? undefined : found;
      });
      expect(device.state).toBe('REVOKED');
      const before = device.windows.received;
      const other = await stack.device('cam-1');
      await stack.feed.until('others go on', async () => (await stack.device('cam-1')).windows.received > other.windows.received + 2);
      expect((await stack.device(victim)).windows.received).toBe(before);
    });

    test('a second process on the same data folder is refused with a hint', async () => {
      const failure = await run(process.execPath, [programs.server], {
        env: {
          PATH: process.env.PATH ?? '',
          SERIN_DATA: path.join(stack.folder, 'server'),
          SERIN_HTTP_PORT: '0',
          SERIN_DEVICE_PORT: '0',
          SERIN_MQTT_PORT: '0',
        },
      }).catch((error: { code: number; stdout: string; stderr: string }) => error);
      expect(failure).toMatchObject({ code: 1 });
      expect(`${failure.stdout}${failure.stderr}`).toContain('DATA_LOCKED');
    });
  });
}
