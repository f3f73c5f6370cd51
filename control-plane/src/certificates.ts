import 'reflect-metadata';
import { createHash, X509Certificate as NodeCertificate } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';
import { SerinError } from '@serin/protocol/errors';

const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-256' } as const;
const dayMs = 24 * 3_600_000;
/** Clocks of devices differ; a certificate is good from a little before it was made. */
const clockSkewMs = 3_600_000;

export interface KeyAndCertificate {
  keyPem: string;
  certPem: string;
}

export interface Authority {
  certificate: x509.X509Certificate;
  privateKey: CryptoKey;
}

const pemOf = (label: string, der: ArrayBuffer): string => `${x509.PemConverter.encode(der, label)}\n`;

async function exportKey(key: CryptoKey): Promise<string> {
  return pemOf('PRIVATE KEY', await crypto.subtle.exportKey('pkcs8', key));
}

const newPair = (): Promise<CryptoKeyPair> => crypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify']) as Promise<CryptoKeyPair>;

const validity = (now: number, days: number) => ({ notBefore: new Date(now - clockSkewMs), notAfter: new Date(now + days * dayMs) });

/** A fresh serial of 16 bytes, positive and without a leading zero. */
function serialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return Buffer.from(bytes).toString('hex');
}

export async function createAuthority(fleet: string, now: number): Promise<KeyAndCertificate> {
  const keys = await newPair();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [`Serin ${fleet}`] }],
    ...validity(now, 7300),
    keys,
    signingAlgorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { keyPem: await exportKey(keys.privateKey), certPem: pemOf('CERTIFICATE', certificate.rawData) };
}

export async function loadAuthority({ keyPem, certPem }: KeyAndCertificate): Promise<Authority> {
  const [der] = x509.PemConverter.decode(keyPem);
  if (der === undefined) throw new SerinError('START_FAILED', { detail: 'the key file of the certificate authority holds no key' });
  return {
    certificate: new x509.X509Certificate(certPem),
    privateKey: await crypto.subtle.importKey('pkcs8', der, keyAlgorithm, false, ['sign']),
  };
}

interface Leaf {
  commonName: string;
  publicKey: CryptoKey;
  usage: 'serverAuth' | 'clientAuth';
  hosts?: readonly string[];
  days: number;
}

async function issue(authority: Authority, leaf: Leaf, now: number): Promise<x509.X509Certificate> {
  const names = (leaf.hosts ?? []).map((host): x509.JsonGeneralName => ({ type: isIP(host) === 0 ? 'dns' : 'ip', value: host }));
  return x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: [{ CN: [leaf.commonName] }],
    issuer: authority.certificate.subjectName,
    ...validity(now, leaf.days),
    publicKey: leaf.publicKey,
    signingKey: authority.privateKey,
    signingAlgorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage[leaf.usage]]),
      await x509.AuthorityKeyIdentifierExtension.create(authority.certificate.publicKey),
      ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
    ],
  });
}

/** A key made here with its certificate: for the server's own listeners and its broker connection. */
export async function issueOwn(authority: Authority, leaf: Omit<Leaf, 'publicKey'>, now: number): Promise<KeyAndCertificate> {
  const keys = await newPair();
  const certificate = await issue(authority, { ...leaf, publicKey: keys.publicKey }, now);
  return { keyPem: await exportKey(keys.privateKey), certPem: pemOf('CERTIFICATE', certificate.rawData) };
}

export interface IssuedCertificate {
  certificatePem: string;
  serial: string;
  expiresAt: number;
}

/** The request proves that its sender has the key; the name in it counts for nothing. */
export async function issueFromRequest(authority: Authority, csrPem: string, commonName: string, days: number, now: number): Promise<IssuedCertificate> {
  const publicKey = await checkRequest(csrPem);
  const certificate = await issue(authority, { commonName, publicKey, usage: 'clientAuth', days }, now);
  return {
    certificatePem: pemOf('CERTIFICATE', certificate.rawData),
    serial: certificate.serialNumber.toLowerCase(),
    expiresAt: certificate.notAfter.getTime(),
  };
}

async function checkRequest(csrPem: string): Promise<CryptoKey> {
  try {
    const request = new x509.Pkcs10CertificateRequest(csrPem);
    const algorithm = request.publicKey.algorithm as EcKeyAlgorithm;
    if (algorithm.name !== 'ECDSA' || algorithm.namedCurve !== 'P-256') throw new SerinError('JOIN_REQUEST_INVALID', { detail: 'the key is not P-256' });
    if (request.extensions.length > 0) throw new SerinError('JOIN_REQUEST_INVALID', { detail: 'it asks for extensions' });
    if (!(await request.verify())) throw new SerinError('JOIN_REQUEST_INVALID', { detail: 'its signature does not fit its key' });
    return await request.publicKey.export();
  } catch (error) {
    if (error instanceof SerinError) throw error;
    throw new SerinError('JOIN_REQUEST_INVALID', { detail: 'unreadable', cause: error });
  }
}

/** Tells one key from another, whatever the request around it; checks the request. */
export async function publicKeyDigest(csrPem: string): Promise<string> {
  const spki = await crypto.subtle.exportKey('spki', await checkRequest(csrPem));
  return createHash('sha256').update(new Uint8Array(spki)).digest('hex');
}

export const certificateDigest = (certPem: string): string => createHash('sha256').update(new NodeCertificate(certPem).raw).digest('hex');

/** Whether a certificate still serves: half of its life is left and it covers every host. */
export function isFresh(certPem: string, hosts: readonly string[], now: number): boolean {
  const certificate = new NodeCertificate(certPem);
  const from = Date.parse(certificate.validFrom);
  const until = Date.parse(certificate.validTo);
  if (until - now < (until - from) / 2) return false;
  return hosts.every((host) => (isIP(host) === 0 ? certificate.checkHost(host, { subject: 'never' }) : certificate.checkIP(host)) !== undefined);
}
