import { SerinError } from '../errors.ts';
import type { Digest } from '../ids.ts';
import { chunkHeaderBytes } from '../limits.ts';
import { sha256, sha256Bytes, toHex } from '../digest.ts';

/** How many chunks a blob of that size has. The empty blob has none. */
export const chunkCount = (sizeBytes: number, chunkSize: number): number => Math.ceil(sizeBytes / chunkSize);

export const chunkLength = (index: number, sizeBytes: number, chunkSize: number): number => Math.min(chunkSize, sizeBytes - index * chunkSize);

/** The list of chunk digests, 32 bytes each; a blob of its own, authenticated by its SHA-256, the chunk root. */
export async function chunkList(blob: Uint8Array, chunkSize: number): Promise<Uint8Array> {
  const chunks = chunkCount(blob.length, chunkSize);
  const list = new Uint8Array(chunks * 32);
  for (let index = 0; index < chunks; index++) {
    list.set(await sha256Bytes(blob.subarray(index * chunkSize, (index + 1) * chunkSize)), index * 32);
  }
  return list;
}

export const chunkRoot = (list: Uint8Array): Promise<Digest> => sha256(list);

export const chunkDigest = (list: Uint8Array, index: number): string => toHex(list.subarray(index * 32, index * 32 + 32));

/** `[version u8][flags u8][index u32][payload]`, big-endian. */
export function encodeChunk(index: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(chunkHeaderBytes + payload.length);
  frame[0] = 1;
  new DataView(frame.buffer).setUint32(2, index);
  frame.set(payload, chunkHeaderBytes);
  return frame;
}

export function decodeChunk(frame: Uint8Array): { index: number; payload: Uint8Array } {
  if (frame.length < chunkHeaderBytes || frame[0] !== 1) throw new SerinError('MESSAGE_MALFORMED', { detail: 'chunk frame' });
  return { index: new DataView(frame.buffer, frame.byteOffset).getUint32(2), payload: frame.subarray(chunkHeaderBytes) };
}

/** A set of chunk indices as bits, low bit first. */
export const emptyBitmap = (bits: number): Uint8Array => new Uint8Array(Math.ceil(bits / 8));
export const hasBit = (bitmap: Uint8Array, index: number): boolean => (((bitmap[index >> 3] ?? 0) >> (index & 7)) & 1) === 1;
export function setBit(bitmap: Uint8Array, index: number): void {
  bitmap[index >> 3] = (bitmap[index >> 3] ?? 0) | (1 << (index & 7));
}
export function missingBits(bitmap: Uint8Array, bits: number, limit: number): number[] {
  const missing: number[] = [];
  for (let index = 0; index < bits && missing.length < limit; index++) if (!hasBit(bitmap, index)) missing.push(index);
  return missing;
}
