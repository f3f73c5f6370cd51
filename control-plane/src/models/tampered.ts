import { open } from 'node:fs/promises';
import { createKeyPair, importSigningKey } from '@serin/protocol/bundle/signing';
import { SerinError } from '@serin/protocol/errors';
import { modelName, type Digest, type ModelName } from '@serin/protocol/ids';
import { eq } from 'drizzle-orm';
import { models } from '../store/schema.ts';
import { publishVersion, type PublishContext, type VersionRow } from './publish.ts';
import { readPublished } from './training.ts';

/** For the demo and for tests: versions that no device may install. */
export type Harm = 'corrupted' | 'wrong-signature';

/** Where the bytes of a blob lie, so that they can be damaged behind the store's back. */
export type LocateBlob = (digest: Digest) => string;

async function damage(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    const { size } = await handle.stat();
    const byte = new Uint8Array(1);
    await handle.read(byte, 0, 1, size >> 1);
    byte[0] = (byte[0] ?? 0) ^ 0x01;
    await handle.write(byte, 0, 1, size >> 1);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Publishes the version in service once more, spoilt on its way: one bit flipped after signing, or signed by a stranger. */
export async function publishTampered(context: PublishContext, locate: LocateBlob, model: ModelName, harm: Harm, createdBy: string): Promise<VersionRow> {
  const [row] = await context.store.db.select().from(models).where(eq(models.name, model));
  if (row === undefined || row.champion === null) throw new SerinError('NOT_FOUND', { detail: `${model} has no version in service` });
  const version = await readPublished(context.store.db, context.blobs, model, row.champion);
  // A mark after the end of each model file makes it a blob of its own, so that the damage stays with this version.
  const files = version.files
    .filter(({ role }) => role !== 'report')
    .map((file) => (file.role === 'model' ? { ...file, bytes: markOf(file.bytes, context.clock()) } : file));
  const release = harm === 'wrong-signature' ? await importSigningKey(await createKeyPair()) : context.release;
  const published = await publishVersion(
    { ...context, release },
    {
      ...version,
      files,
      model: modelName.parse(model),
      gate: null,
      origin: 'demo-spoiled',
      createdBy,
      note: harm === 'corrupted' ? 'one bit flipped after signing' : 'signed by a stranger',
    },
  );
  if (harm === 'corrupted') {
    const { files: signed } = JSON.parse(published.document.payload) as { files: { role: string; sha256: Digest }[] };
    for (const { role, sha256 } of signed) if (role === 'model') await damage(locate(sha256));
  }
  return published;
}

/** An unknown protobuf field (number 15000, varint): readers of ONNX skip it. */
function markOf(bytes: Uint8Array, mark: number): Uint8Array {
  const tail = [0xc0, 0xa9, 0x07];
  for (let rest = mark; rest > 0; rest = Math.floor(rest / 128)) tail.push((rest % 128) | (rest >= 128 ? 0x80 : 0));
  const marked = new Uint8Array(bytes.length + tail.length);
  marked.set(bytes);
  marked.set(tail, bytes.length);
  return marked;
}
