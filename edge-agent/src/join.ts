import { joinPath, joinReply, parseJoinToken, renewPath, renewReply, type JoinRequest } from '@serin/protocol/api/join';
import { trustFirstKeyset } from '@serin/protocol/bundle/keyset';
import { SerinError } from '@serin/protocol/errors';
import type { DeviceId } from '@serin/protocol/ids';
import type { Hello } from '@serin/protocol/messages/status';
import { createHash, X509Certificate } from 'node:crypto';
import { checkBrokerUrl } from './mqtt/address.ts';
import { checkIssued, createKey, createRequest, type Identity } from './identity.ts';
import { fetchAuthority, postJson } from './pinned-https.ts';

const timeoutMs = 15_000;

export interface JoinOptions {
  url: string;
  token: string;
  name?: DeviceId | undefined;
  hello: Hello;
  keyPem: string;
}

/**
 * Joins a fleet: the token names the authority that the server must be signed by, and nothing is sent to any other.
 * Asking again with the same key and token after an answer got lost is answered again.
 */
export async function joinFleet({ url, token, name, hello, keyPem }: JoinOptions): Promise<Identity> {
  const { caSha256, claim } = parseJoinToken(token);
  const caPem = await fetchAuthority(url, caSha256, timeoutMs);
  const body: JoinRequest = { claim, csrPem: await createRequest(keyPem), hello, ...(name === undefined ? {} : { name }) };
  const reply = joinReply.safeParse(await postJson(`${url}${joinPath}`, body, { caPem, timeoutMs }));
  if (!reply.success) throw new SerinError('MESSAGE_MALFORMED', { detail: 'answer to the join request' });
  const joined = reply.data;
  if (digestOf(joined.caPem) !== caSha256) throw new SerinError('JOIN_SERVER_MISMATCH', { detail: 'the answer names another authority' });
  checkIssued(joined, keyPem);
  checkBrokerUrl(joined.brokerUrl);
  await trustFirstKeyset(joined.keyset, joined.fleet);
  return { ...joined, keyPem };
}

/** A fresh key and certificate for the same device, over mTLS with the ones it has. */
export async function renewIdentity(identity: Identity): Promise<Identity> {
  const keyPem = await createKey();
  const body = { csrPem: await createRequest(keyPem) };
  const reply = renewReply.safeParse(await postJson(`${identity.deviceUrl}${renewPath}`, body, { caPem: identity.caPem, client: identity, timeoutMs }));
  if (!reply.success) throw new SerinError('MESSAGE_MALFORMED', { detail: 'answer to the renewal' });
  const renewed = { ...identity, keyPem, certificatePem: reply.data.certificatePem };
  checkIssued(renewed, keyPem);
  return renewed;
}

function digestOf(certificatePem: string): string | undefined {
  try {
    return createHash('sha256').update(new X509Certificate(certificatePem).raw).digest('hex');
  } catch {
    return undefined;
  }
}
