import { createKeyPair, importSigningKey, keyIdOf, signDocument, type SignedDocument } from '@serin/protocol/bundle/signing';
import type { Keyset } from '@serin/protocol/bundle/keyset';
import { deviceId, fleetId } from '@serin/protocol/ids';
import type { Hello } from '@serin/protocol/messages/status';
import type { Identity } from '../identity.ts';
import type { TestAuthority } from './authority.ts';

export const testFleet = fleetId.parse('hall');

export const testHello: Hello = {
  protocol: 1,
  agent: '0.1.0',
  class: 'agent',
  os: 'linux',
  arch: 'x64',
  cpu: 'test',
  memoryBytes: 1e9,
  runtime: 'node',
  site: 'hall-a',
  synthetic: true,
};

/** A keyset of one key in every role, signed by itself. */
export async function makeKeyset(): Promise<SignedDocument> {
  const pair = await createKeyPair();
  const role = { keys: [{ id: await keyIdOf(pair.publicKey), publicKey: pair.publicKey }], threshold: 1 };
  const keyset: Keyset = { v: 1, fleet: testFleet, version: 1, expires: 4_000_000_000_000, roles: { root: role, release: role, director: role } };
  return signDocument('keyset', keyset, [await importSigningKey(pair)]);
}

/** A device as if it had joined. */
export async function makeIdentity(authority: TestAuthority, name: string, brokerUrl: string): Promise<Identity> {
  return {
    fleet: testFleet,
    device: deviceId.parse(name),
    ...(await authority.issue(name)),
    caPem: authority.caPem,
    brokerUrl,
    deviceUrl: 'https://127.0.0.1:1',
    keyset: await makeKeyset(),
  };
}
