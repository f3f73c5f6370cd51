import { eq } from 'drizzle-orm';
import { SerinError } from '@serin/protocol/errors';
import { samples } from '../store/schema.ts';
import type { Db } from '../store/store.ts';
import { encodePng } from './png.ts';

/** A frame that a device sent along, as a PNG file. */
export async function readSampleImage(db: Db, id: string): Promise<Uint8Array> {
  const [row] = /^\d{1,15}$/.test(id)
    ? await db
        .select()
        .from(samples)
        .where(eq(samples.id, Number(id)))
    : [];
  if (row === undefined) throw new SerinError('NOT_FOUND', { detail: `sample ${id}` });
  return encodePng(row.pixels, row.width, row.height, row.channels);
}
