import { z } from 'zod/mini';
import { fromBase64, sha256, toBase64 } from '../digest.ts';
import { SerinError } from '../errors.ts';
import { keyId, type KeyId } from '../ids.ts';

/** The kinds of signed document. The kind is part of the signed bytes, so one can never pass for another. */
export type SignedKind = 'keyset' | 'manifest' | 'desired';

export const signature = z.object({ key: keyId, sig: z.string().check(z.maxLength(128)) });

/** A signed document: the payload is carried as the exact text that was signed, so nothing needs canonical JSON. */
export const signedDocument = z.object({
  kind: z.enum(['keyset', 'manifest', 'desired']),
  payload: z.string(),
  signatures: z.array(signature).check(z.minLength(1), z.maxLength(16)),
});
export type SignedDocument = z.infer<typeof signedDocument>;

export interface SigningKey {
  id: KeyId;
  publicKey: string;
  privateKey: CryptoKey;
}

export interface VerificationKey {
  id: KeyId;
  /** Raw Ed25519 public key, base64. */
  publicKey: string;
}

const encoder = new TextEncoder();

/** Length-prefixed as in DSSE's pre-authentication encoding: no two (kind, payload) pairs give the same bytes. */
function signedBytes(kind: SignedKind, payload: string): Uint8Array<ArrayBuffer> {
  const body = encoder.encode(payload);
  const head = encoder.encode(`serin/1 ${kind} ${body.length} `);
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}

export async function keyIdOf(publicKey: string): Promise<KeyId> {
  return (await sha256(fromBase64(publicKey))).slice(0, 16) as string as KeyId;
}

/** A new Ed25519 pair; the private half as PKCS#8 in base64 for the key file. */
export async function createKeyPair(): Promise<{ publicKey: string; privateKey: string }> {
  const pair = (await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify'])) as CryptoKeyPair;
  const [spki, pkcs8] = await Promise.all([crypto.subtle.exportKey('raw', pair.publicKey), crypto.subtle.exportKey('pkcs8', pair.privateKey)]);
  return { publicKey: toBase64(new Uint8Array(spki)), privateKey: toBase64(new Uint8Array(pkcs8)) };
}

export async function importSigningKey(pair: { publicKey: string; privateKey: string }): Promise<SigningKey> {
  const privateKey = await crypto.subtle.importKey('pkcs8', fromBase64(pair.privateKey), 'Ed25519', false, ['sign']);
  return { id: await keyIdOf(pair.publicKey), publicKey: pair.publicKey, privateKey };
}

export async function signDocument(kind: SignedKind, content: unknown, keys: readonly SigningKey[]): Promise<SignedDocument> {
  const payload = JSON.stringify(content);
  const bytes = signedBytes(kind, payload);
  const signatures = await Promise.all(
    keys.map(async (key) => ({ key: key.id, sig: toBase64(new Uint8Array(await crypto.subtle.sign('Ed25519', key.privateKey, bytes))) })),
  );
  return { kind, payload, signatures };
}

async function isSignedBy(bytes: Uint8Array<ArrayBuffer>, sig: string, key: VerificationKey): Promise<boolean> {
  try {
    const publicKey = await crypto.subtle.importKey('raw', fromBase64(key.publicKey), 'Ed25519', false, ['verify']);
    return await crypto.subtle.verify('Ed25519', publicKey, fromBase64(sig), bytes);
  } catch {
    return false;
  }
}

/** How many *different* trusted keys signed it. Two signatures of one key count once. */
async function countSigners(document: SignedDocument, trusted: readonly VerificationKey[]): Promise<number> {
  const bytes = signedBytes(document.kind, document.payload);
  const signers = new Set<KeyId>();
  for (const { key: id, sig } of document.signatures) {
    const key = trusted.find((candidate) => candidate.id === id);
    if (key !== undefined && !signers.has(id) && (await isSignedBy(bytes, sig, key))) signers.add(id);
  }
  return signers.size;
}

/** The payload's parsed JSON, or SIGNATURE_INVALID: not one byte of an unsigned document is looked into. */
export async function openDocument(
  document: SignedDocument,
  kind: SignedKind,
  trust: { keys: readonly VerificationKey[]; threshold: number },
): Promise<unknown> {
  if (document.kind !== kind) throw new SerinError('SIGNATURE_INVALID', { detail: `expected a ${kind}, got a ${document.kind}` });
  const signers = await countSigners(document, trust.keys);
  if (signers < Math.max(1, trust.threshold)) {
    throw new SerinError('SIGNATURE_INVALID', { detail: `${kind}: ${signers} of ${trust.threshold} trusted signatures` });
  }
  try {
    return JSON.parse(document.payload);
  } catch (cause) {
    throw new SerinError('MESSAGE_MALFORMED', { detail: `${kind}: the signed text is not JSON`, cause });
  }
}
