import { and, asc, desc, eq, gte, inArray, sql } from 'drizzle-orm';
import { frameBytes, frameChannels, frameHeight, frameWidth, partKinds } from '@serin/inference/bin-scene/parameters';
import type { Part } from '@serin/inference/detections';
import { partsOf } from '@serin/inference/judgement';
import type { LabelledSample } from '../jobs/folder.ts';
import { samples } from '../store/schema.ts';
import type { Db } from '../store/store.ts';

const samplesMax = 2000;
const samplesPage = 16;

/** Frames of the bin camera, since a moment, whose parts somebody knows: what a retraining learns from. */
export const isLearnable = (model: string, since: number) =>
  and(
    eq(samples.model, model),
    gte(samples.takenAt, since),
    sql`${samples.truth}->'objects' is not null`,
    eq(samples.height, frameHeight),
    eq(samples.width, frameWidth),
    eq(samples.channels, frameChannels),
  );

const isInFrame = ({ label, x, y }: Part): boolean => label < partKinds.length && x >= 0 && x < frameWidth && y >= 0 && y < frameHeight;

/** The newest of them, oldest first; read a few at a time, for they are large and others wait for the database. */
export async function* labelledSamples(db: Db, model: string, since: number): AsyncGenerator<LabelledSample> {
  const found = await db.select({ id: samples.id }).from(samples).where(isLearnable(model, since)).orderBy(desc(samples.id)).limit(samplesMax);
  const ids = found.map(({ id }) => id).toReversed();
  for (let start = 0; start < ids.length; start += samplesPage) {
    const rows = await db
      .select({ truth: samples.truth, pixels: samples.pixels })
      .from(samples)
      .where(inArray(samples.id, ids.slice(start, start + samplesPage)))
      .orderBy(asc(samples.id));
    for (const { truth, pixels } of rows) {
      if (truth === null || !('objects' in truth)) continue;
      const parts = partsOf(truth.objects);
      // What one device sends must not end the training for all.
      if (pixels.length === frameBytes && parts.every(isInFrame)) yield { pixels, parts };
    }
  }
}
