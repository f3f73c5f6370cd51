import { z } from 'zod/mini';
import { SerinError } from '../errors.ts';
import { digest, deviceId, fleetId, modelName, timestampMs, versionNumber, type DeviceId, type FleetId } from '../ids.ts';
import { bundleBytesMax, manifestBytesMax } from '../limits.ts';
import { openDocument, type SignedDocument } from '../bundle/signing.ts';
import type { Keyset } from '../bundle/keyset.ts';

/** One model a device shall serve. The director vouches for digest and length; the release key for the content. */
export const desiredModel = z.object({
  model: modelName,
  version: versionNumber,
  /** The signed manifest, a blob. */
  manifest: z.object({ sha256: digest, size: z.int().check(z.gte(1), z.lte(manifestBytesMax)) }),
  /** Length of the whole bundle, for the space check before anything is fetched. */
  bundleBytes: z.int().check(z.gte(1), z.lte(bundleBytesMax)),
});
export type DesiredModel = z.infer<typeof desiredModel>;

/** The whole intent for one device: full document, retained, signed by the director. */
export const desired = z.object({
  v: z.literal(1),
  fleet: fleetId,
  device: deviceId,
  /** Monotonic per device; lower is ignored, equal is a repetition. */
  rev: z.int().check(z.gte(1)),
  issuedAt: timestampMs,
  /** After this the device keeps running and installs nothing new. */
  expires: timestampMs,
  models: z.array(desiredModel).check(z.maxLength(8)),
  keyset: z.object({ version: versionNumber, sha256: digest, size: z.int().check(z.lte(manifestBytesMax)) }),
  telemetry: z.object({
    windowMs: z.int().check(z.gte(500), z.lte(3_600_000)),
    /** Random frames to send along per window, with their outcome where one is known; 0 sends none. */
    samplesPerWindow: z.int().check(z.gte(0), z.lte(64)),
  }),
});
export type Desired = z.infer<typeof desired>;

/** Verifies the director's signature, then that it is meant for this device. */
export async function openDesired(document: SignedDocument, keys: Keyset, self: { fleet: FleetId; device: DeviceId }): Promise<Desired> {
  const content = await openDocument(document, 'desired', keys.roles.director);
  const parsed = desired.safeParse(content);
  if (!parsed.success) throw new SerinError('MESSAGE_MALFORMED', { detail: `desired: ${z.prettifyError(parsed.error)}` });
  if (parsed.data.fleet !== self.fleet || parsed.data.device !== self.device) {
    throw new SerinError('SIGNATURE_INVALID', { detail: `meant for ${parsed.data.fleet}/${parsed.data.device}` });
  }
  return parsed.data;
}
