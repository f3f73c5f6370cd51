import { crc32 } from 'node:zlib';

/** `[length u32][crc32 u32][payload]`, big-endian. */
const headBytes = 8;
const recordBytesMax = 1024 * 1024;

export function frameRecord(payload: Uint8Array): Uint8Array {
  const record = Buffer.alloc(headBytes + payload.length);
  record.writeUInt32BE(payload.length);
  record.writeUInt32BE(crc32(payload), 4);
  record.set(payload, headBytes);
  return record;
}

export interface FoundRecord {
  offset: number;
  /** With its head. */
  length: number;
  /** Undefined where the checksum does not fit. */
  payload: Uint8Array | undefined;
}

/** Whole records from the start; ends at the first that was cut off, or whose length cannot be. */
export function* readRecords(bytes: Uint8Array): Generator<FoundRecord> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let offset = 0;
  while (offset + headBytes <= bytes.length) {
    const payloadBytes = view.getUint32(offset);
    const end = offset + headBytes + payloadBytes;
    // A length of zero is what a disk shows where it never wrote.
    if (payloadBytes === 0 || payloadBytes > recordBytesMax || end > bytes.length) return;
    const payload = bytes.subarray(offset + headBytes, end);
    yield { offset, length: end - offset, payload: crc32(payload) === view.getUint32(offset + 4) ? payload : undefined };
    offset = end;
  }
}
