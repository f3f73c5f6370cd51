import { readFile } from 'node:fs/promises';
import type { Clock, FrameSource } from '@serin/device/ports';
import { createRenderedCamera } from '@serin/device/rendered-camera';
import type { Random } from '@serin/inference/random';
import { designLight, type Light } from '@serin/inference/bin-scene/parameters';
import { z } from 'zod/mini';
import type { Log } from '../log.ts';

export interface BinCameraOptions {
  fps: number;
  /** JSON `{level, warmth}`; without it the light is as designed. */
  sceneFile: string | undefined;
  clock: Clock;
  random: Random;
  log: Log;
}

const lookMs = 500;
const scene = z.object({ level: z.number().check(z.gte(0), z.lte(4)), warmth: z.number().check(z.gte(-1), z.lte(1)) });

/** The rendered bin camera in a hall whose light is in a file. */
export function openBinCamera({ fps, sceneFile, clock, random, log }: BinCameraOptions): FrameSource {
  let light = designLight;
  const camera = createRenderedCamera({ fps, light: () => light, clock, random });
  if (sceneFile === undefined) return camera;

  const closing = new AbortController();
  const follow = async (): Promise<void> => {
    let complaint: string | undefined;
    while (!closing.signal.aborted) {
      try {
        light = await readLight(sceneFile);
        complaint = undefined;
      } catch (error) {
        const detail = error instanceof Error ? error.message.slice(0, 200) : String(error);
        if (detail !== complaint) log.warn({ file: sceneFile, detail }, 'light of the scene unreadable, kept as it was');
        complaint = detail;
      }
      await clock.sleep(lookMs, closing.signal);
    }
  };
  const following = follow();
  return {
    ...camera,
    async close() {
      closing.abort();
      await following;
      await camera.close();
    },
  };
}

async function readLight(file: string): Promise<Light> {
  const parsed = scene.safeParse(JSON.parse(await readFile(file, 'utf8')));
  if (!parsed.success) throw new Error('it must be {"level": 0 to 4, "warmth": -1 to 1}');
  return { ...designLight, ...parsed.data };
}
