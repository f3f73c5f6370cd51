import 'reflect-metadata';
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import * as x509 from '@peculiar/x509';
import { joinReply } from '@serin/protocol/api/join';
import { SerinError } from '@serin/protocol/errors';
import { z } from 'zod/mini';
import { hasCode, removeLeftovers, writeFileDurably } from '@serin/node/files';

const identitySchema = z.object({ ...joinReply.shape, keyPem: z.string() });
/** Who this device is in its fleet: its key, its certificate, and whom it trusts. */
export type Identity = z.infer<typeof identitySchema>;

const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-256' } as const;
const identityFile = 'identity.json';
const pendingKeyFile = 'joining.key';

/** A P-256 key made here; it never leaves the device. PKCS#8 in PEM. */
export async function createKey(): Promise<string> {
  const pair = (await crypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify'])) as CryptoKeyPair;
  return `${x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', pair.privateKey), 'PRIVATE KEY')}\n`;
}

/** A certificate request that proves possession of the key. It asks for no name: the server gives one. */
export async function createRequest(keyPem: string): Promise<string> {
  const pkcs8 = createPrivateKey(keyPem).export({ type: 'pkcs8', format: 'der' });
  const spki = createPublicKey(keyPem).export({ type: 'spki', format: 'der' });
  const keys = {
    privateKey: await crypto.subtle.importKey('pkcs8', pkcs8, keyAlgorithm, false, ['sign']),
    publicKey: await crypto.subtle.importKey('spki', spki, keyAlgorithm, true, ['verify']),
  };
  return (await x509.Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm })).toString('pem');
}

/** Throws what is wrong when the certificate is not the one that was asked for. */
export function checkIssued(issued: { certificatePem: string; caPem: string; device: string }, keyPem: string): void {
  const refuse = (detail: string): never => {
    throw new SerinError('JOIN_SERVER_MISMATCH', { detail });
  };
  let certificate: X509Certificate;
  let authority: X509Certificate;
  try {
    certificate = new X509Certificate(issued.certificatePem);
    authority = new X509Certificate(issued.caPem);
  } catch {
    return refuse('the answer holds no certificate');
  }
  if (!certificate.checkPrivateKey(createPrivateKey(keyPem))) refuse('the certificate is for another key');
  if (!certificate.checkIssued(authority) || !certificate.verify(authority.publicKey)) refuse('the certificate is not signed by the fleet');
  if (certificate.subject !== `CN=${issued.device}`) refuse(`the certificate names ${certificate.subject}, not ${issued.device}`);
}

export interface Validity {
  from: number;
  until: number;
}

export function validityOf(certificatePem: string): Validity {
  const certificate = new X509Certificate(certificatePem);
  return { from: Date.parse(certificate.validFrom), until: Date.parse(certificate.validTo) };
}

/** A certificate is renewed when two thirds of its life are over. */
export const renewAt = ({ from, until }: Validity): number => from + ((until - from) * 2) / 3;

export interface IdentityStore {
  load(): Promise<Identity | undefined>;
  save(identity: Identity): Promise<void>;
  /** The key to join with: kept until an identity is saved, so that an answer that got lost can be asked for again. */
  keyForJoining(): Promise<string>;
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** One file with everything in it, so that key and certificate always fit each other. */
export async function openIdentityStore(folder: string): Promise<IdentityStore> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await removeLeftovers(folder);
  const file = path.join(folder, identityFile);
  const pending = path.join(folder, pendingKeyFile);
  return {
    async load() {
      const text = await readIfThere(file);
      if (text === undefined) return undefined;
      try {
        return identitySchema.parse(JSON.parse(text));
      } catch (cause) {
        throw new SerinError('NOT_JOINED', { detail: `${file} is damaged`, hint: 'Restore it from a backup, or remove it and join again', cause });
      }
    },
    async save(identity) {
      await writeFileDurably(file, JSON.stringify(identity));
      await rm(pending, { force: true });
    },
    async keyForJoining() {
      const kept = await readIfThere(pending);
      if (kept !== undefined) return kept;
      const keyPem = await createKey();
      await writeFileDurably(pending, keyPem);
      return keyPem;
    },
  };
}
