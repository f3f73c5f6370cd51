import { z } from 'zod/mini';
import { SerinError } from '../errors.ts';
import { deviceId, fleetId } from '../ids.ts';
import { signedDocument } from '../bundle/signing.ts';
import { hello } from '../messages/status.ts';

/** `SRN1.<SHA-256 of the CA certificate in DER, hex>.<claim>`: pins the server before the first byte is trusted. */
export interface JoinToken {
  caSha256: string;
  claim: string;
}

export const formatJoinToken = ({ caSha256, claim }: JoinToken): string => `SRN1.${caSha256}.${claim}`;

export function parseJoinToken(token: string): JoinToken {
  const match = /^SRN1\.([0-9a-f]{64})\.([A-Za-z0-9_-]{22,64})$/.exec(token.trim());
  if (match === null) throw new SerinError('JOIN_TOKEN_MALFORMED');
  return { caSha256: match[1] ?? '', claim: match[2] ?? '' };
}

export const joinPath = '/join';
export const renewPath = '/renew';

/** Over HTTPS to the device port. The key pair never leaves the device; the CSR proves possession. */
export const joinRequest = z.object({
  claim: z.string().check(z.maxLength(64)),
  name: z.optional(deviceId),
  csrPem: z.string().check(z.maxLength(8192)),
  hello,
});
export type JoinRequest = z.infer<typeof joinRequest>;

export const joinReply = z.object({
  fleet: fleetId,
  device: deviceId,
  certificatePem: z.string(),
  /** The fleet's CA: trusted for the broker and for the device port from now on. */
  caPem: z.string(),
  brokerUrl: z.string(),
  deviceUrl: z.string(),
  keyset: signedDocument,
});
export type JoinReply = z.infer<typeof joinReply>;

/** Over mTLS: a fresh certificate for the same device. */
export const renewRequest = z.object({ csrPem: z.string().check(z.maxLength(8192)) });
export const renewReply = z.object({ certificatePem: z.string(), caPem: z.string() });
