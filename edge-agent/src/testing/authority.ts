import 'reflect-metadata';
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';

const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-256' } as const;

export interface TestAuthority {
  caPem: string;
  caSha256: string;
  /** Key and certificate for a listener or a client; `days` may lie in the past. */
  issue(
    commonName: string,
    options?: { usage?: 'serverAuth' | 'clientAuth'; hosts?: string[]; from?: number; until?: number },
  ): Promise<{ keyPem: string; certificatePem: string }>;
  /** As the server does when a device joins. */
  answer(csrPem: string, commonName: string, until?: number): Promise<string>;
}

const pem = (der: ArrayBuffer, label: string): string => `${x509.PemConverter.encode(der, label)}\n`;
const newPair = (): Promise<CryptoKeyPair> => crypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify']) as Promise<CryptoKeyPair>;
const hour = 3_600_000;

/** A certificate authority in memory. */
export async function createTestAuthority(name = 'Serin test'): Promise<TestAuthority> {
  const keys = await newPair();
  const now = Date.now();
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: [{ CN: [name] }],
    notBefore: new Date(now - 1000 * hour),
    notAfter: new Date(now + 1000 * hour),
    keys,
    signingAlgorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  let serial = 1;
  const sign = async (
    commonName: string,
    publicKey: CryptoKey,
    { usage = 'clientAuth', hosts = [], from = now - hour, until = now + 24 * hour }: Parameters<TestAuthority['issue']>[1] = {},
  ): Promise<string> => {
    const names = hosts.map((host): x509.JsonGeneralName => ({ type: isIP(host) === 0 ? 'dns' : 'ip', value: host }));
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: (++serial).toString(16).padStart(4, '0'),
      subject: [{ CN: [commonName] }],
      issuer: authority.subjectName,
      notBefore: new Date(from),
      notAfter: new Date(until),
      publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage[usage]]),
        ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
      ],
    });
    return pem(certificate.rawData, 'CERTIFICATE');
  };
  return {
    caPem: pem(authority.rawData, 'CERTIFICATE'),
    caSha256: createHash('sha256').update(new Uint8Array(authority.rawData)).digest('hex'),
    async issue(commonName, options) {
      const pair = await newPair();
      return {
        keyPem: pem(await crypto.subtle.exportKey('pkcs8', pair.privateKey), 'PRIVATE KEY'),
        certificatePem: await sign(commonName, pair.publicKey, options),
      };
    },
    async answer(csrPem, commonName, until) {
      const request = new x509.Pkcs10CertificateRequest(csrPem);
      if (!(await request.verify())) throw new Error('the request does not prove possession of its key');
      return sign(commonName, await request.publicKey.export(), until === undefined ? {} : { until });
    },
  };
}
