import { Encoder } from 'cbor-x';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decode, decodeUp, decodeWindow, encode, encodeWindow, messageKinds, type Message, type MessageName } from './codec.ts';
import { SerinError, type ErrorCode } from './errors.ts';
import { arbitraryOf } from './testing/schema-arbitrary.ts';
import { up } from './topics.ts';
import { deviceId } from './ids.ts';
import { telemetryWindow } from './messages/telemetry.ts';

const names = Object.keys(messageKinds) as MessageName[];
const utf8 = new TextEncoder();
const json = (value: unknown) => utf8.encode(typeof value === 'string' ? value : JSON.stringify(value));
const cbor = (value: unknown) => new Uint8Array(new Encoder({ useRecords: false, tagUint8Array: false }).encode(value));

function codeOf(act: () => unknown): ErrorCode | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (error instanceof SerinError) return error.code;
    throw error;
  }
}

/** As JSON would carry it: negative zero loses its sign there. */
const comparable = (value: unknown) => JSON.parse(JSON.stringify(value, (_, item: unknown) => (item instanceof Uint8Array ? [...item] : item))) as unknown;

describe.each(names)('message %s', (name) => {
  const message = arbitraryOf(messageKinds[name].schema) as fc.Arbitrary<Message<MessageName>>;

  test('what is encoded is decoded to the same', () => {
    fc.assert(
      fc.property(message, (value) => {
        let bytes: Uint8Array;
        try {
          bytes = encode(name, value);
        } catch (error) {
          expect((error as SerinError).code).toBe('MESSAGE_TOO_LARGE');
          return;
        }
        expect(bytes.length).toBeLessThanOrEqual(messageKinds[name].bytesMax);
        expect(comparable(decode(name, bytes))).toEqual(comparable(value));
      }),
      { numRuns: 60 },
    );
  });

  test('any bytes give a message or a coded error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(['MESSAGE_MALFORMED', undefined]).toContain(codeOf(() => decode(name, bytes)));
      }),
    );
  });

  test('a damaged message gives a message or a coded error', () => {
    fc.assert(
      fc.property(message, fc.nat(), fc.nat(255), fc.nat(), (value, at, byte, cut) => {
        let bytes: Uint8Array;
        try {
          bytes = encode(name, value);
        } catch {
          return;
        }
        bytes[at % bytes.length] = byte;
        const damaged = bytes.subarray(0, bytes.length - (cut % 3));
        expect(['MESSAGE_MALFORMED', undefined]).toContain(codeOf(() => decode(name, damaged)));
      }),
      { numRuns: 60 },
    );
  });

  test('one byte over the limit is refused before it is read', () => {
    expect(codeOf(() => decode(name, new Uint8Array(messageKinds[name].bytesMax + 1)))).toBe('MESSAGE_TOO_LARGE');
  });
});

describe('hostile input', () => {
  const bytes = (...parts: (number | number[])[]) => Uint8Array.from(parts.flat());
  const text = (value: string) => [0x60 + value.length, ...utf8.encode(value)];

  test.each([
    ['an array that claims four billion items', bytes(0x9a, 0xff, 0xff, 0xff, 0xff)],
    ['an array with a 64-bit length', bytes(0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)],
    ['a map that claims four billion entries', bytes(0xba, 0xff, 0xff, 0xff, 0xff)],
    ['a text longer than the bytes', bytes(0x7a, 0x7f, 0xff, 0xff, 0xff, 0x61)],
    ['ten thousand nested arrays', new Uint8Array(10_000).fill(0x81)],
    ['ten thousand nested maps', bytes(...Array.from({ length: 10_000 }, () => [0xa1, ...text('a')]))],
    ['an indefinite array', bytes(0x9f, 1, 0xff)],
    ['a date', bytes(0xc1, 0x1a, 1, 2, 3, 4)],
    ['a big number', bytes(0xc2, 0x41, 1)],
    ['a shared reference', bytes(0xd8, 28, 0x81, 0xd8, 29, 0)],
    ['a generic object', bytes(0xd8, 27, 0x82, text('RegExp'), text('(a+)+'))],
    ['a record definition', bytes(0xd9, 0xdf, 0xff, 0x82, 0x81, text('x'), 1)],
    ['a map with a number as key', bytes(0xa1, 1, 1)],
    ['an unassigned simple value', bytes(0xf8, 0x40)],
    ['two items', bytes(1, 2)],
    ['nothing', bytes()],
  ])('CBOR: %s is refused', (_, input) => {
    expect(codeOf(() => decode('tel', input))).toBe('MESSAGE_MALFORMED');
  });

  test('a key that names the prototype changes no prototype', () => {
    const batch = { v: 1, boot: 'b', seq: 0, ts: 0, dropped: 0, windows: [] };
    const poison = JSON.stringify(batch).replace('{', '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},');
    expect(codeOf(() => decode('status', json(poison)))).toBe('MESSAGE_MALFORMED');
    const own = Object.defineProperty({ ...batch }, '__proto__', { value: { polluted: true }, enumerable: true });
    expect(codeOf(() => decode('tel', cbor(own)))).toBe('MESSAGE_MALFORMED');
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test.each([
    ['ten thousand nested lists', '['.repeat(10_000)],
    ['ten thousand nested objects', '{"a":'.repeat(3000)],
    ['a number that is none', '{"v":1e999}'],
    ['not UTF-8', '\udc00'],
    ['nothing', ''],
  ])('JSON: %s is refused', (_, input) => {
    expect(codeOf(() => decode('reported', json(input)))).toBe('MESSAGE_MALFORMED');
  });

  test('brackets inside texts do not count as nesting', () => {
    const value: Message<'reported'> = {
      ...decode('reported', json({ v: 1, boot: 'b', seq: 0, ts: 0, rev: 0, models: [] })),
      error: { code: 'X', detail: `"\\${'['.repeat(100)}` },
    };
    expect(decode('reported', encode('reported', value))).toEqual(value);
  });

  test('the complaint about a message with thousands of faults is short', () => {
    const input = cbor({ v: 1, boot: 'b', seq: 0, ts: 0, dropped: 0, windows: Array.from({ length: 20_000 }, () => 0) });
    try {
      decode('tel', input);
      expect.unreachable();
    } catch (error) {
      expect((error as SerinError).detail?.length).toBeLessThanOrEqual(300);
    }
  });
});

describe('what a device said', () => {
  const device = deviceId.parse('cam-1');

  test('the topic decides whose message it is and how it is read', () => {
    const message: Message<'status'> = decode('status', json({ v: 1, online: true, boot: 'b', conn: 0, ts: 0 }));
    expect(decodeUp(up(device, 'status'), encode('status', message))).toEqual({ device, kind: 'status', message });
  });

  test.each(['serin/1/d/cam-1/c/desired', 'serin/1/d/cam-1/u/other', 'serin/2/d/cam-1/u/tel', 'serin/1/d/+/u/tel', 'serin/1/d/CAM/u/tel', 'x', ''])(
    'a message on %s belongs to nobody',
    (topic) => {
      expect(codeOf(() => decodeUp(topic, json('{}')))).toBe('TOPIC_UNKNOWN');
    },
  );
});

describe('a kept window', () => {
  test('is read as it was kept', () => {
    fc.assert(
      fc.property(arbitraryOf(telemetryWindow), (window) => {
        expect(comparable(decodeWindow(encodeWindow(window)))).toEqual(comparable(window));
      }),
      { numRuns: 30 },
    );
  });

  test('that is something else is absent, not an accident', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(decodeWindow(bytes)).toBeUndefined();
      }),
    );
    expect(decodeWindow(new Uint8Array(10_000).fill(0x81))).toBeUndefined();
  });
});
