import fc, { type Arbitrary } from 'fast-check';
import { parseJoinToken, formatJoinToken, joinReply, joinRequest } from '@serin/protocol/api/join';
import { decodeChunk, encodeChunk } from '@serin/protocol/bundle/chunks';
import { golden } from '@serin/protocol/bundle/golden';
import { acceptKeyset, keyset, trustFirstKeyset, type Keyset } from '@serin/protocol/bundle/keyset';
import { manifest, openManifest } from '@serin/protocol/bundle/manifest';
import { profile } from '@serin/protocol/bundle/profile';
import { createKeyPair, importSigningKey, signDocument, signedDocument, type SignedKind } from '@serin/protocol/bundle/signing';
import { decode, decodeUp, decodeWindow, encode, encodeWindow, messageKinds, type Message, type MessageName } from '@serin/protocol/codec';
import { SerinError } from '@serin/protocol/errors';
import { deviceId, fleetId, versionNumber } from '@serin/protocol/ids';
import { desired, openDesired } from '@serin/protocol/messages/desired';
import { telemetryWindow } from '@serin/protocol/messages/telemetry';
import { parseUp, up } from '@serin/protocol/topics';
import { arbitraryOf } from '@serin/protocol/testing/schema-arbitrary';
import { createRandom } from '../harness/random.ts';
import { createMutator } from '../harness/mutator.ts';
import { openRecordDecoders, type Decoder } from '../harness/record-decoders.ts';

export const description = 'mutated inputs to every decoder: only coded errors, no hang, no memory beyond a limit';

/** What one input may cost: far above any real message, far below harm. */
const millisecondsMax = 1000;
const heapBytesMax = 64 * 1024 * 1024;
const samplesPerDecoder = 40;

type Schema = Parameters<typeof arbitraryOf>[0];

const utf8 = new TextEncoder();
const text = new TextDecoder();
const json = (value: unknown): Uint8Array => utf8.encode(JSON.stringify(value));

function sample<Value>(arbitrary: Arbitrary<Value>, seed: number): Value[] {
  return fc.sample(arbitrary, { seed, numRuns: samplesPerDecoder });
}

function encodedSamples(name: MessageName, seed: number): Uint8Array[] {
  return sample(arbitraryOf(messageKinds[name].schema) as Arbitrary<Message<MessageName>>, seed).flatMap((message) => {
    try {
      return [encode(name, message)];
    } catch {
      return []; // larger than the limit: not a valid encoding
    }
  });
}

/** Decodes, and what came out must encode and decode to the same bytes again. */
function decodeTwice(name: MessageName, bytes: Uint8Array): void {
  const message = decode(name, bytes);
  let first: Uint8Array;
  try {
    first = encode(name, message);
  } catch (error) {
    if (error instanceof SerinError && error.code === 'MESSAGE_TOO_LARGE') return;
    throw error;
  }
  if (Buffer.compare(first, encode(name, decode(name, first))) !== 0) throw new Error('decoded, encoded and decoded again it is something else');
}

/** As programs read a document from a file or a reply: JSON, then its schema. */
function parseWith(schema: Schema, bytes: Uint8Array): void {
  let content: unknown;
  try {
    content = JSON.parse(text.decode(bytes));
  } catch {
    return;
  }
  schema.safeParse(content);
}

/** Text that was changed and then signed by a trusted key: what is looked at after the signature must hold by itself. */
async function signedAnyway(kind: SignedKind, bytes: Uint8Array, key: Parameters<typeof signDocument>[2][number]) {
  let content: unknown;
  try {
    content = JSON.parse(text.decode(bytes));
  } catch {
    return undefined;
  }
  return signDocument(kind, content, [key]);
}

async function makeDecoders(seed: number): Promise<Decoder[]> {
  const key = await importSigningKey(await createKeyPair());
  const role = { keys: [{ id: key.id, publicKey: key.publicKey }], threshold: 1 };
  const fleet = fleetId.parse('hall');
  const device = deviceId.parse('cam-1');
  const keys: Keyset = { v: 1, fleet, version: versionNumber.parse(1), expires: 4_000_000_000_000, roles: { root: role, release: role, director: role } };
  const documents = (schema: Schema, change: object = {}) => sample(arbitraryOf(schema), seed).map((value) => json({ ...(value as object), fleet, ...change }));
  const order = { fleet, model: 'picker', version: 3 };

  const messages = (Object.keys(messageKinds) as MessageName[]).map((name): Decoder => ({
    name: `message ${name}`,
    samples: encodedSamples(name, seed),
    decode: (bytes) => decodeTwice(name, bytes),
  }));
  const schemas = Object.entries({ signedDocument, golden, profile, joinRequest, joinReply }).map(([name, schema]): Decoder => ({
    name: `schema ${name}`,
    samples: sample(arbitraryOf(schema as Schema), seed).map(json),
    decode: (bytes) => parseWith(schema, bytes),
  }));
  return [
    ...messages,
    ...schemas,
    {
      name: 'topic',
      samples: (['status', 'tel', 'get'] as const).map((kind) => utf8.encode(up(device, kind))),
      decode: (bytes) => {
        const topic = text.decode(bytes);
        if (parseUp(topic) === undefined) decodeUp(topic, bytes);
      },
    },
    {
      name: 'kept window',
      samples: sample(arbitraryOf(telemetryWindow), seed).map(encodeWindow),
      decode: decodeWindow,
    },
    {
      name: 'chunk',
      samples: sample(fc.tuple(fc.nat(), fc.uint8Array()), seed).map(([index, payload]) => encodeChunk(index, payload)),
      decode: decodeChunk,
    },
    {
      name: 'join token',
      samples: [utf8.encode(formatJoinToken({ caSha256: 'a'.repeat(64), claim: 'b'.repeat(40) }))],
      decode: (bytes) => parseJoinToken(text.decode(bytes)),
    },
    {
      name: 'signed manifest',
      samples: documents(manifest, { model: 'picker', version: 3 }),
      decode: async (bytes) => {
        const document = await signedAnyway('manifest', bytes, key);
        if (document !== undefined) await openManifest(document, keys, order);
      },
    },
    {
      name: 'signed order',
      samples: documents(desired, { device }),
      decode: async (bytes) => {
        const document = await signedAnyway('desired', bytes, key);
        if (document !== undefined) await openDesired(document, keys, { fleet, device });
      },
    },
    {
      name: 'signed keyset',
      samples: [...documents(keyset), json(keys), json({ ...keys, version: 2 })],
      decode: async (bytes) => {
        const document = await signedAnyway('keyset', bytes, key);
        if (document === undefined) return;
        await trustFirstKeyset(document, fleet).catch(expectCoded);
        await acceptKeyset(keys, document);
      },
    },
    {
      name: 'signed document whose envelope was changed',
      samples: [json(await signDocument('manifest', { v: 1 }, [key]))],
      decode: async (bytes) => {
        const document = decode('desired', bytes);
        await openManifest(document, keys, order);
      },
    },
  ];
}

function expectCoded(error: unknown): void {
  if (!(error instanceof SerinError)) throw error;
}

const memoryBytes = (): number => {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
};

/** What is wrong with how a decoder took an input, or undefined. */
async function judge(decoder: Decoder, bytes: Uint8Array): Promise<string | undefined> {
  const before = memoryBytes();
  const began = performance.now();
  try {
    await decoder.decode(bytes);
  } catch (error) {
    if (!(error instanceof SerinError)) return `threw ${String(error)}`;
  }
  const tookMs = performance.now() - began;
  if (tookMs > millisecondsMax) return `took ${Math.round(tookMs)} ms`;
  const grewBytes = memoryBytes() - before;
  if (grewBytes > heapBytesMax) return `took ${Math.round(grewBytes / 1e6)} MB`;
  for (const key in {}) return `put "${key}" on the prototype of every object`;
  return undefined;
}

export async function run({ quick, seed }: { quick: boolean; seed: number }): Promise<{ passed: boolean; words: string; figures: Record<string, number> }> {
  const records = openRecordDecoders();
  try {
    return await tryAll([...(await makeDecoders(seed)), ...records.decoders], quick ? 5000 : 200_000, seed);
  } finally {
    records.close();
  }
}

async function tryAll(decoders: readonly Decoder[], inputsMax: number, seed: number): ReturnType<typeof run> {
  const findings: string[] = [];
  let accepted = 0;
  let tried = 0;
  for (const [index, decoder] of decoders.entries()) {
    const inputs = Math.ceil(inputsMax * (decoder.share ?? 1));
    const mutate = createMutator(createRandom(seed + index), decoder.samples);
    const began = performance.now();
    for (const valid of decoder.samples) {
      const complaint = await judge(decoder, valid);
      if (complaint !== undefined) findings.push(`${decoder.name}, a valid input: ${complaint}`);
    }
    for (let count = 0; count < inputs && findings.length < 20; count++) {
      const bytes = mutate();
      const complaint = await judge(decoder, bytes);
      tried++;
      if (complaint === undefined) accepted++;
      else findings.push(`${decoder.name}, input ${count} (${Buffer.from(bytes).toString('base64').slice(0, 400)}): ${complaint}`);
    }
    process.stderr.write(`${decoder.name}: ${inputs} inputs in ${((performance.now() - began) / 1000).toFixed(1)} s\n`);
  }
  for (const finding of findings) process.stderr.write(`${finding}\n`);
  const passed = findings.length === 0;
  return {
    passed,
    words: passed
      ? `${decoders.length} decoders took ${tried} mutated inputs: only coded errors, nothing slow, nothing large`
      : `${findings.length} findings, the first: ${findings[0]}`,
    figures: { decoders: decoders.length, inputs: tried, withoutFinding: accepted, findings: findings.length },
  };
}
