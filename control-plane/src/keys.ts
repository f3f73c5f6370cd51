import { mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod/mini';
import { trustFirstKeyset, type Keyset } from '@serin/protocol/bundle/keyset';
import { createKeyPair, importSigningKey, keyIdOf, signDocument, signedDocument, type SignedDocument, type SigningKey } from '@serin/protocol/bundle/signing';
import { sha256 } from '@serin/protocol/digest';
import { SerinError } from '@serin/protocol/errors';
import type { Digest, FleetId } from '@serin/protocol/ids';
import { serverUser } from '@serin/protocol/topics';
import {
  certificateDigest,
  createAuthority,
  isFresh,
  issueFromRequest,
  issueOwn,
  loadAuthority,
  type Authority,
  type IssuedCertificate,
  type KeyAndCertificate,
} from './certificates.ts';
import type { Clock } from './clock.ts';
import { syncFolder, syncTree, writeFileDurably } from '@serin/node/files';

export interface Keys {
  readonly fleet: FleetId;
  readonly caPem: string;
  /** SHA-256 of the CA certificate in DER; join tokens pin it. */
  readonly caSha256: string;
  /** For the listeners of devices and of the broker. */
  readonly server: KeyAndCertificate;
  /** Client certificate of the server itself, for its connection to the broker. */
  readonly link: KeyAndCertificate;
  issueDevice(csrPem: string, id: string): Promise<IssuedCertificate>;
  readonly director: SigningKey;
  readonly release: SigningKey;
  readonly keyset: Keyset;
  readonly keysetDocument: SignedDocument;
  /** The keyset document as devices fetch it. */
  readonly keysetBytes: Uint8Array;
  readonly keysetBlob: { sha256: Digest; size: number };
}

export interface KeysOptions {
  dataDir: string;
  fleet: FleetId;
  /** Names and addresses under which devices reach this server. */
  hosts: readonly string[];
  clock: Clock;
}

const deviceDays = 60;
const ownDays = 730;
const keysetDays = 3650;
const dayMs = 24 * 3_600_000;
const pair = z.object({ publicKey: z.string(), privateKey: z.string() });
const roles = ['root', 'release', 'director'] as const;
type Role = (typeof roles)[number];

const folderOf = (dataDir: string): string => path.join(dataDir, 'keys');

export async function hasKeys(dataDir: string): Promise<boolean> {
  return (await stat(folderOf(dataDir)).catch(() => undefined)) !== undefined;
}

async function makeKeys(folder: string, fleet: FleetId, now: number): Promise<void> {
  const write = (name: string, text: string): Promise<void> => writeFileDurably(path.join(folder, name), text);
  const authority = await createAuthority(fleet, now);
  await write('ca.key', authority.keyPem);
  await write('ca.pem', authority.certPem);
  const pairs = {} as Record<Role, { publicKey: string; privateKey: string }>;
  for (const role of roles) {
    pairs[role] = await createKeyPair();
    await write(`${role}.json`, JSON.stringify(pairs[role]));
  }
  const roleOf = async (role: Role) => ({ keys: [{ id: await keyIdOf(pairs[role].publicKey), publicKey: pairs[role].publicKey }], threshold: 1 });
  const keyset: Keyset = {
    v: 1,
    fleet,
    version: 1,
    expires: now + keysetDays * dayMs,
    roles: { root: await roleOf('root'), release: await roleOf('release'), director: await roleOf('director') },
  };
  await write('keyset.json', JSON.stringify(await signDocument('keyset', keyset, [await importSigningKey(pairs.root)])));
}

/** A set of keys that was made halfway is never used: the folder gets its name when all of it is on the disk. */
async function ensureKeys({ dataDir, fleet, clock }: KeysOptions): Promise<void> {
  if (await hasKeys(dataDir)) return;
  const unfinished = `${folderOf(dataDir)}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true, mode: 0o700 });
  await makeKeys(unfinished, fleet, clock());
  await syncTree(unfinished);
  await rename(unfinished, folderOf(dataDir));
  await syncFolder(dataDir);
}

async function readKeyFile(folder: string, name: string): Promise<string> {
  try {
    return await readFile(path.join(folder, name), 'utf8');
  } catch (cause) {
    throw new SerinError('START_FAILED', {
      detail: `the key file ${path.join(folder, name)} is missing or unreadable`,
      hint: 'Restore the keys folder from a backup; without it devices cannot trust this server',
      cause,
    });
  }
}

async function readJson<Schema extends z.ZodMiniType>(folder: string, name: string, schema: Schema): Promise<z.infer<Schema>> {
  const text = await readKeyFile(folder, name);
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new SerinError('START_FAILED', {
      detail: `the key file ${path.join(folder, name)} is damaged`,
      hint: 'Restore the keys folder from a backup',
      cause,
    });
  }
}

async function readOwn(folder: string, name: string): Promise<KeyAndCertificate | undefined> {
  const [keyPem, certPem] = await Promise.all([`${name}.key`, `${name}.pem`].map((file) => readFile(path.join(folder, file), 'utf8').catch(() => '')));
  return keyPem === undefined || certPem === undefined || keyPem === '' || certPem === '' ? undefined : { keyPem, certPem };
}

/** The server's own certificates are only for now: made again when they age or when its hosts change. */
async function ownCertificate(
  folder: string,
  name: string,
  authority: Authority,
  leaf: Parameters<typeof issueOwn>[1],
  now: number,
): Promise<KeyAndCertificate> {
  const present = await readOwn(folder, name);
  if (present !== undefined && isFresh(present.certPem, leaf.hosts ?? [], now)) return present;
  const made = await issueOwn(authority, leaf, now);
  // The certificate first gone, then the key: a crash in between leaves no pair that does not fit.
  await rm(path.join(folder, `${name}.pem`), { force: true });
  await writeFileDurably(path.join(folder, `${name}.key`), made.keyPem);
  await writeFileDurably(path.join(folder, `${name}.pem`), made.certPem);
  return made;
}

/** The fleet's keys, made on the first start and loaded on every other. */
export async function openKeys(options: KeysOptions): Promise<Keys> {
  const { dataDir, fleet, hosts, clock } = options;
  await ensureKeys(options);
  const folder = folderOf(dataDir);
  const caPem = await readKeyFile(folder, 'ca.pem');
  const authority = await loadAuthority({ keyPem: await readKeyFile(folder, 'ca.key'), certPem: caPem });
  const signing = async (role: Role): Promise<SigningKey> => importSigningKey(await readJson(folder, `${role}.json`, pair));
  const keysetDocument = await readJson(folder, 'keyset.json', signedDocument);
  const keysetBytes = new TextEncoder().encode(JSON.stringify(keysetDocument));
  const serverHosts = [...new Set(['localhost', '127.0.0.1', '::1', ...hosts])];
  return {
    fleet,
    caPem,
    caSha256: certificateDigest(caPem),
    server: await ownCertificate(
      folder,
      'server',
      authority,
      { commonName: serverHosts.at(3) ?? 'localhost', usage: 'serverAuth', hosts: serverHosts, days: ownDays },
      clock(),
    ),
    link: await ownCertificate(folder, 'link', authority, { commonName: serverUser, usage: 'clientAuth', days: ownDays }, clock()),
    issueDevice: (csrPem, id) => issueFromRequest(authority, csrPem, id, deviceDays, clock()),
    director: await signing('director'),
    release: await signing('release'),
    keyset: await trustFirstKeyset(keysetDocument, fleet),
    keysetDocument,
    keysetBytes,
    keysetBlob: { sha256: await sha256(keysetBytes), size: keysetBytes.length },
  };
}
