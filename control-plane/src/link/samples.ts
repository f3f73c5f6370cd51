import { and, eq, lte, sql } from 'drizzle-orm';
import type { DeviceId } from '@serin/protocol/ids';
import type { FrameSample } from '@serin/protocol/messages/telemetry';
import { samples } from '../store/schema.ts';
import { selectRows, type Db } from '../store/store.ts';

/** How far a model may run over its limit before the oldest go; counting at every frame would cost more than the frames. */
const slackShare = 0.1;

/** Keeps the frames once each, and of every model the newest ones. */
export async function keepSamples(tx: Db, came: readonly { device: DeviceId; sample: FrameSample }[], perModelMax: number): Promise<void> {
  if (came.length === 0) return;
  await tx
    .insert(samples)
    .values(
      came.map(({ device, sample }) => ({
        device,
        boot: sample.boot,
        seq: sample.seq,
        model: sample.model,
        version: sample.version,
        takenAt: sample.ts,
        height: sample.shape[0],
        width: sample.shape[1],
        channels: sample.shape[2],
        predicted: sample.predicted,
        truth: sample.truth ?? null,
        pixels: sample.pixels,
      })),
    )
    .onConflictDoNothing();
  for (const model of new Set(came.map(({ sample }) => sample.model))) await forgetOldest(tx, model, perModelMax);
}

async function forgetOldest(tx: Db, model: string, perModelMax: number): Promise<void> {
  const [over] = await selectRows<{ id: string | number }>(
    tx,
    sql`select id from samples where model = ${model} order by id desc offset ${Math.ceil(perModelMax * (1 + slackShare))} limit 1`,
  );
  if (over === undefined) return;
  const [edge] = await selectRows<{ id: string | number }>(
    tx,
    sql`select id from samples where model = ${model} order by id desc offset ${perModelMax} limit 1`,
  );
  if (edge !== undefined) await tx.delete(samples).where(and(eq(samples.model, model), lte(samples.id, Number(edge.id))));
}

/** A frame whose pixels are not as many as its shape says is refused at the edge. */
export function hasWholePixels({ shape, pixels }: FrameSample): boolean {
  const [height, width, channels] = shape;
  return height > 0 && width > 0 && channels > 0 && height * width * channels === pixels.length;
}
