import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';

import { hasCode, removeLeftovers, writeFileDurably } from '@serin/node/files';
import { sha256 } from '@serin/protocol/digest';
import { SerinError } from '@serin/protocol/errors';

/** Named facts of a run that decide what it computes; two runs with equal ones compute the same. */
export type Fingerprint = Readonly<Record<string, string | number>>;

export interface Checkpoint<Notes> {
  readonly step: number;
  readonly fingerprint: Fingerprint;
  /** What else the run goes on from; plain JSON, in which null stands for a number that is not finite. */
  readonly notes: Notes;
  readonly vectors: Readonly<Record<string, Float32Array>>;
}

export interface Checkpoints<Notes> {
  /** The newest that can be read; undefined where there is none. Says what is wrong with those it passed over. */
  read(fingerprint: Fingerprint): Promise<{ checkpoint: Checkpoint<Notes>; file: string; passedOver: readonly string[] } | undefined>;
  /** Resolves to the file once it would outlive a power loss; the one before stays until then. */
  write(checkpoint: Checkpoint<Notes>): Promise<string>;
}

/** Two files written in turn: whichever is being replaced, the other is whole. */
const fileNames = ['a.checkpoint', 'b.checkpoint'] as const;

export async function openCheckpoints<Notes>(folder: string): Promise<Checkpoints<Notes>> {
  await mkdir(folder, { recursive: true });
  await removeLeftovers(folder);
  const files = fileNames.map((name) => path.join(folder, name));
  let turn: number | undefined;

  const readAll = async (): Promise<{ file: string; checkpoint?: Checkpoint<Notes>; fault?: string }[]> =>
    (await Promise.all(files.map((file) => readOne<Notes>(file)))).flatMap((found) => (found === undefined ? [] : [found]));

  return {
    read: async (fingerprint) => {
      const found = await readAll();
      const whole = found.flatMap(({ file, checkpoint }) => (checkpoint === undefined ? [] : [{ file, checkpoint }]));
      const faults = found.flatMap(({ file, fault }) => (fault === undefined ? [] : [`${file} ${fault}`]));
      const [newest] = whole.toSorted((left, right) => right.checkpoint.step - left.checkpoint.step);
      if (newest === undefined) {
        if (faults.length === 0) return undefined;
        throw new SerinError('CHECKPOINT_INVALID', { detail: faults.join('; '), hint: `Remove ${folder} to begin anew` });
      }
      const differences = differencesOf(newest.checkpoint.fingerprint, fingerprint);
      if (differences.length > 0) {
        throw new SerinError('CHECKPOINT_INVALID', {
          detail: `${newest.file} is of another run: ${differences.join('; ')}`,
          hint: 'Give the settings the run began with, or another folder to begin anew',
        });
      }
      turn = files.findIndex((file) => file !== newest.file);
      return { ...newest, passedOver: faults };
    },
    write: async (checkpoint) => {
      const place = turn ?? 0;
      const file = files[place] as string;
      await writeFileDurably(file, await encode(checkpoint));
      turn = 1 - place;
      return file;
    },
  };
}

function differencesOf(before: Fingerprint, now: Fingerprint): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(now)]);
  const shown = (value: string | number | undefined): string => (value === undefined ? 'not there' : String(value));
  return [...names].filter((name) => before[name] !== now[name]).map((name) => `its ${name} was ${shown(before[name])} and is ${shown(now[name])}`);
}

async function readOne<Notes>(file: string): Promise<{ file: string; checkpoint?: Checkpoint<Notes>; fault?: string } | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw new SerinError('CHECKPOINT_INVALID', { detail: `${file} cannot be read`, cause: error });
  }
  const decoded = await decode<Notes>(bytes);
  return typeof decoded === 'string' ? { file, fault: decoded } : { file, checkpoint: decoded };
}

/**
 * magic, version and length of the header (uint32, little-endian), header (JSON), vectors one after the other (float32,
 * little-endian), SHA-256 of all before.
 */
const magic = 'SRNCKPT\n';
const version = 1;
const prefixBytes = magic.length + 8;
const digestBytes = 32;

interface Header<Notes> {
  readonly step: number;
  readonly fingerprint: Fingerprint;
  readonly notes: Notes;
  readonly vectors: readonly (readonly [name: string, length: number])[];
}

async function encode<Notes>({ step, fingerprint, notes, vectors }: Checkpoint<Notes>): Promise<Uint8Array> {
  const entries = Object.entries(vectors);
  const header: Header<Notes> = { step, fingerprint, notes, vectors: entries.map(([name, { length }]) => [name, length]) };
  const head = new TextEncoder().encode(JSON.stringify(header));
  const bytes = Buffer.alloc(prefixBytes + head.length + entries.reduce((size, [, { byteLength }]) => size + byteLength, 0) + digestBytes);
  bytes.write(magic, 'latin1');
  bytes.writeUInt32LE(version, magic.length);
  bytes.writeUInt32LE(head.length, magic.length + 4);
  bytes.set(head, prefixBytes);
  let at = prefixBytes + head.length;
  for (const [, vector] of entries) {
    bytes.set(new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength), at);
    at += vector.byteLength;
  }
  bytes.write(await sha256(bytes.subarray(0, at)), at, 'hex');
  return bytes;
}

/** The checkpoint, or what is wrong with it. Nothing in it is looked at before its digest is right. */
async function decode<Notes>(content: Uint8Array): Promise<Checkpoint<Notes> | string> {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  if (bytes.length < prefixBytes + digestBytes || bytes.toString('latin1', 0, magic.length) !== magic) return 'is cut off, or is not a checkpoint';
  const end = bytes.length - digestBytes;
  if ((await sha256(bytes.subarray(0, end))) !== bytes.toString('hex', end)) return 'is damaged: it does not have the digest it carries';
  const found = bytes.readUInt32LE(magic.length);
  if (found !== version) return `has format ${found}; this program reads ${version}`;
  const headEnd = prefixBytes + bytes.readUInt32LE(magic.length + 4);
  const { step, fingerprint, notes, vectors } = JSON.parse(bytes.toString('utf8', prefixBytes, headEnd)) as Header<Notes>;
  let at = headEnd;
  const read = vectors.map(([name, length]): [string, Float32Array] => {
    const vector = new Float32Array(length);
    new Uint8Array(vector.buffer).set(bytes.subarray(at, at + vector.byteLength));
    at += vector.byteLength;
    return [name, vector];
  });
  return { step, fingerprint, notes, vectors: Object.fromEntries(read) };
}
