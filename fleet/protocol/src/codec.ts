import { Decoder, Encoder } from 'cbor-x';
import type { z } from 'zod/mini';
import { isPlainCbor } from './cbor-shape.ts';
import { SerinError } from './errors.ts';
import { controlBytesMax, desiredBytesMax, sampleBytesMax, telemetryBytesMax } from './limits.ts';
import { parseUp, type UpKind } from './topics.ts';
import { serverStatus, status } from './messages/status.ts';
import { reported } from './messages/reported.ts';
import { frameSample, telemetryAck, telemetryBatch, telemetryWindow, type TelemetryWindow } from './messages/telemetry.ts';
import { chunkRequest, command } from './messages/transfer.ts';
import { signedDocument } from './bundle/signing.ts';

interface MessageKind<Schema extends z.ZodMiniType> {
  schema: Schema;
  encoding: 'json' | 'cbor';
  bytesMax: number;
}

const kind = <Schema extends z.ZodMiniType>(schema: Schema, encoding: 'json' | 'cbor', bytesMax: number): MessageKind<Schema> => ({
  schema,
  encoding,
  bytesMax,
});

/** Every message on the wire: its schema, its encoding, its limit. Chunks are raw binary (bundle/chunks). */
export const messageKinds = {
  status: kind(status, 'json', controlBytesMax),
  reported: kind(reported, 'json', controlBytesMax),
  tel: kind(telemetryBatch, 'cbor', telemetryBytesMax),
  smp: kind(frameSample, 'cbor', sampleBytesMax),
  get: kind(chunkRequest, 'json', controlBytesMax),
  desired: kind(signedDocument, 'json', desiredBytesMax),
  ack: kind(telemetryAck, 'json', controlBytesMax),
  cmd: kind(command, 'json', controlBytesMax),
  serverStatus: kind(serverStatus, 'json', controlBytesMax),
} as const;

export type MessageName = keyof typeof messageKinds;
export type Message<Name extends MessageName> = z.infer<(typeof messageKinds)[Name]['schema']>;

// Plain maps instead of cbor-x's shared record structures: every message stands alone and any CBOR reader can read it.
const encoder = new Encoder({ useRecords: false, tagUint8Array: false, variableMapSize: true });
const decoder = new Decoder({ useRecords: false, mapsAsObjects: true });
const utf8 = new TextEncoder();
const text = new TextDecoder('utf-8', { fatal: true });

/** What nests deeper than any message does is refused before it is parsed. */
const depthMax = 32;

function nestsTooDeep(json: string): boolean {
  let depth = 0;
  let quoted = false;
  for (let index = 0; index < json.length; index++) {
    const letter = json.charCodeAt(index);
    if (quoted) {
      if (letter === 92) index++;
      else if (letter === 34) quoted = false;
    } else if (letter === 34) quoted = true;
    else if (letter === 91 || letter === 123) {
      if (++depth > depthMax) return true;
    } else if (letter === 93 || letter === 125) depth--;
  }
  return false;
}

function parse(encoding: 'json' | 'cbor', bytes: Uint8Array): unknown {
  if (encoding === 'cbor') {
    if (!isPlainCbor(bytes, depthMax)) throw new RangeError('not plain CBOR');
    return decoder.decode(bytes);
  }
  const json = text.decode(bytes);
  if (nestsTooDeep(json)) throw new RangeError('nested too deep');
  return JSON.parse(json);
}

/** The first fault with its path: a hostile message can have thousands, and nobody reads more than one. */
function describeIssues(issues: readonly z.core.$ZodIssue[]): string {
  const [first] = issues;
  if (first === undefined) return 'malformed';
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : '';
  return `${first.path.map(String).join('.').slice(0, 120) || 'message'}: ${first.message.slice(0, 140)}${more}`;
}

/** Bytes to a message that follows its schema, or a coded error; never anything in between. */
export function decode<Name extends MessageName>(name: Name, bytes: Uint8Array): Message<Name> {
  const { schema, encoding, bytesMax } = messageKinds[name];
  if (bytes.length > bytesMax) throw new SerinError('MESSAGE_TOO_LARGE', { detail: `${name}: ${bytes.length} bytes, limit ${bytesMax}` });
  let content: unknown;
  try {
    content = parse(encoding, bytes);
  } catch (cause) {
    throw new SerinError('MESSAGE_MALFORMED', { detail: `${name}: not ${encoding}`, cause });
  }
  const parsed = schema.safeParse(content);
  if (!parsed.success) throw new SerinError('MESSAGE_MALFORMED', { detail: `${name}: ${describeIssues(parsed.error.issues)}`.slice(0, 300) });
  return parsed.data as Message<Name>;
}

export function encode<Name extends MessageName>(name: Name, message: Message<Name>): Uint8Array {
  const { encoding, bytesMax } = messageKinds[name];
  const bytes = encoding === 'cbor' ? new Uint8Array(encoder.encode(message)) : utf8.encode(JSON.stringify(message));
  if (bytes.length > bytesMax) throw new SerinError('MESSAGE_TOO_LARGE', { detail: `${name}: ${bytes.length} bytes, limit ${bytesMax}` });
  return bytes;
}

export type UpMessage = { [Kind in UpKind]: { device: NonNullable<ReturnType<typeof parseUp>>['device']; kind: Kind; message: Message<Kind> } }[UpKind];

/** What a device said, by topic. */
export function decodeUp(topic: string, bytes: Uint8Array): UpMessage {
  const address = parseUp(topic);
  if (address === undefined) throw new SerinError('TOPIC_UNKNOWN', { detail: topic.slice(0, 100) });
  return { ...address, message: decode(address.kind, bytes) } as UpMessage;
}

/** A window by itself, as it is kept: the same encoding as in a batch. */
export const encodeWindow = (window: TelemetryWindow): Uint8Array => new Uint8Array(encoder.encode(window));

/** A kept window, or undefined where an older program wrote something else. */
export function decodeWindow(bytes: Uint8Array): TelemetryWindow | undefined {
  try {
    return telemetryWindow.safeParse(parse('cbor', bytes)).data;
  } catch {
    return undefined;
  }
}
