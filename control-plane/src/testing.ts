import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { hello, type Hello } from '@serin/protocol/messages/status';
import { protocolVersion } from '@serin/protocol/version';

/** What a device of tests says of itself. */
export const testHello: Hello = hello.parse({
  protocol: protocolVersion,
  agent: '0.1.0',
  class: 'virtual',
  os: 'test',
  arch: 'x64',
  cpu: 'test',
  memoryBytes: 1,
  runtime: 'test',
  site: 'hall-a',
  synthetic: true,
});

/** A key and the request for its certificate, as a device makes them. */
export async function makeCertificateRequest(): Promise<{ csrPem: string; keyPem: string }> {
  const keys = (await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])) as CryptoKeyPair;
  const request = await x509.Pkcs10CertificateRequestGenerator.create({ name: 'CN=device', keys, signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' } });
  const pkcs8 = await crypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { csrPem: request.toString('pem'), keyPem: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY') };
}
