import { SerinError } from '@serin/protocol/errors';

/**
 * A lossless Protocol Buffers reader and writer driven by a table. Fields the table does not know are kept
 * as bytes and written back, so a file from a newer exporter survives being read and written.
 */
export type FieldKind = 'int' | 'int64' | 'float' | 'double' | 'string' | 'bytes' | (() => MessageTable);
export interface Field {
  readonly name: string;
  readonly kind: FieldKind;
  readonly repeated?: boolean;
}
export type MessageTable = Readonly<Record<number, Field>>;

/** Bytes of fields unknown to the table, tag included. */
export const unknownFields = Symbol('unknown fields');
export type Message = Record<string, unknown> & { [unknownFields]?: Uint8Array[] };

const depthMax = 48;
/** What the decoded form may cost: two bytes of a hostile file can ask for an object of half a kilobyte. */
const decodedBytesMax = 1024 * 1024 * 1024;
const costBytesOf = { int: 8, int64: 32, float: 8, double: 8, string: 32, bytes: 128 } as const;
const messageCostBytes = 512;
const wireTypeOf = { int: 0, int64: 0, double: 1, string: 2, bytes: 2, float: 5 } as const;
const textDecoder = new TextDecoder('utf-8', { fatal: true });
const textEncoder = new TextEncoder();

const invalid = (detail: string): SerinError =>
  new SerinError('MODEL_INVALID', {
    detail,
    hint: 'Export the model again and check that the file is complete',
  });

export function decodeMessage(bytes: Uint8Array, table: MessageTable, costBytesMax: number = decodedBytesMax): Message {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  let costBytes = 0;

  const spend = (cost: number): void => {
    costBytes += cost;
    if (costBytes > costBytesMax) throw invalid(`it would take more than ${costBytesMax} bytes of memory to read`);
  };

  const need = (count: number, end: number): void => {
    if (count > end - at) throw invalid(`the file ends inside a field at byte ${at}`);
  };

  /** Low and high 32-bit words, because most varints are small and bigint is slow. */
  let low = 0;
  let high = 0;
  const readVarint = (end: number): void => {
    low = 0;
    high = 0;
    for (let index = 0; index < 10; index += 1) {
      need(1, end);
      const byte = view.getUint8(at);
      at += 1;
      const part = byte & 127;
      const shift = index * 7;
      if (shift < 28) low |= part << shift;
      else if (shift === 28) {
        low |= part << 28;
        high |= part >>> 4;
      } else high |= part << (shift - 32);
      if (byte < 128) {
        low >>>= 0;
        return;
      }
    }
    throw invalid(`a number is longer than ten bytes at byte ${at}`);
  };

  const readScalar = (kind: Exclude<FieldKind, () => MessageTable>, end: number): unknown => {
    switch (kind) {
      case 'int':
        readVarint(end);
        return (high | 0) * 4294967296 + low;
      case 'int64':
        readVarint(end);
        return BigInt.asIntN(64, (BigInt(high >>> 0) << 32n) | BigInt(low));
      case 'float':
        need(4, end);
        at += 4;
        return view.getFloat32(at - 4, true);
      case 'double':
        need(8, end);
        at += 8;
        return view.getFloat64(at - 8, true);
      default: {
        const length = readLength(end);
        const slice = bytes.subarray(at, at + length);
        at += length;
        return kind === 'bytes' ? slice : readText(slice);
      }
    }
  };

  const readText = (slice: Uint8Array): string => {
    try {
      return textDecoder.decode(slice);
    } catch (cause) {
      throw new SerinError('MODEL_INVALID', {
        detail: `a text is not UTF-8 before byte ${at}`,
        cause,
      });
    }
  };

  const readLength = (end: number): number => {
    readVarint(end);
    if (high !== 0) throw invalid(`a field is longer than the file at byte ${at}`);
    const length = low;
    need(length, end);
    return length;
  };

  const skip = (wireType: number, end: number): void => {
    if (wireType === 0) readVarint(end);
    else if (wireType === 1 || wireType === 5) {
      const size = wireType === 1 ? 8 : 4;
      need(size, end);
      at += size;
    } else if (wireType === 2) {
      const length = readLength(end);
      at += length;
    } else throw invalid(`wire type ${wireType} at byte ${at}`);
  };

  const readMessage = (fields: MessageTable, end: number, depth: number): Message => {
    if (depth > depthMax) throw invalid(`messages are nested deeper than ${depthMax}`);
    spend(messageCostBytes);
    const message: Message = {};
    for (const field of Object.values(fields)) if (field.repeated === true) message[field.name] = [];

    while (at < end) {
      const start = at;
      readVarint(end);
      const number = low >>> 3;
      const wireType = low & 7;
      if (number === 0 || high !== 0) throw invalid(`field number 0 at byte ${start}`);
      const field = fields[number];
      const expected = field === undefined ? undefined : typeof field.kind === 'function' ? 2 : wireTypeOf[field.kind];
      const packed = field?.repeated === true && wireType === 2 && expected !== 2;

      if (field === undefined) {
        skip(wireType, end);
        spend(costBytesOf.bytes);
        (message[unknownFields] ??= []).push(bytes.subarray(start, at));
      } else if (packed && typeof field.kind === 'string') {
        const packedEnd = readLength(end) + at;
        const list = message[field.name] as unknown[];
        while (at < packedEnd) {
          spend(costBytesOf[field.kind]);
          list.push(readScalar(field.kind, packedEnd));
        }
      } else if (wireType !== expected) {
        throw invalid(`field ${field.name} has wire type ${wireType} at byte ${start}`);
      } else {
        let value: unknown;
        if (typeof field.kind === 'function') {
          const innerEnd = readLength(end) + at;
          value = readMessage(field.kind(), innerEnd, depth + 1);
        } else {
          spend(costBytesOf[field.kind]);
          value = readScalar(field.kind, end);
        }
        if (field.repeated === true) (message[field.name] as unknown[]).push(value);
        else message[field.name] = value;
      }
    }
    return message;
  };

  return readMessage(table, bytes.byteLength, 0);
}

export function encodeMessage(message: Message, table: MessageTable): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  const size = writeMessage(message, table, parts);
  const bytes = new Uint8Array(size);
  let at = size;
  // Parts are collected backwards, so that a length is known before its prefix is written.
  for (const part of parts) {
    at -= part.length;
    bytes.set(part, at);
  }
  return bytes;
}

function writeMessage(message: Message, table: MessageTable, parts: Uint8Array[]): number {
  let size = 0;
  const push = (part: Uint8Array): void => {
    parts.push(part);
    size += part.length;
  };

  for (const unknown of (message[unknownFields] ?? []).toReversed()) push(unknown);
  for (const [number, field] of Object.entries(table).toReversed()) {
    const value = message[field.name];
    if (value === undefined) continue;
    const tag = Number(number) * 8;
    const { kind } = field;

    if (typeof kind === 'function') {
      const items = (field.repeated === true ? value : [value]) as Message[];
      for (const item of items.toReversed()) {
        const inner = writeMessage(item, kind(), parts);
        size += inner;
        push(varint(inner));
        push(varint(tag + 2));
      }
    } else if (field.repeated === true && kind !== 'string' && kind !== 'bytes') {
      const items = value as unknown[];
      if (items.length === 0) continue;
      let inner = 0;
      for (const item of items.toReversed()) {
        const part = scalar(kind, item);
        push(part);
        inner += part.length;
      }
      push(varint(inner));
      push(varint(tag + 2));
    } else {
      for (const item of (field.repeated === true ? (value as unknown[]) : [value]).toReversed()) {
        const part = scalar(kind, item);
        push(part);
        if (kind === 'string' || kind === 'bytes') push(varint(part.length));
        push(varint(tag + wireTypeOf[kind]));
      }
    }
  }
  return size;
}

function scalar(kind: Exclude<FieldKind, () => MessageTable>, value: unknown): Uint8Array {
  switch (kind) {
    case 'int':
      return varint(value as number);
    case 'int64':
      return bigVarint(value as bigint);
    case 'float':
      return new Uint8Array(new Float32Array([value as number]).buffer);
    case 'double':
      return new Uint8Array(new Float64Array([value as number]).buffer);
    case 'string':
      return textEncoder.encode(value as string);
    case 'bytes':
      return value as Uint8Array;
  }
}

function varint(value: number): Uint8Array {
  if (value >= Number.MAX_SAFE_INTEGER) return bigVarint(9223372036854775807n);
  if (value < 0 || value > 0x7fffffff) return bigVarint(BigInt(value));
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest & 127) | 128);
    rest >>>= 7;
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

function bigVarint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}
