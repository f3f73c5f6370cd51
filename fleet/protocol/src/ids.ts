import { z } from 'zod/mini';

/** One topic level, one certificate name, one folder name: nothing that a path, a topic filter or a shell could misread. */
const namePattern = /^[a-z0-9][a-z0-9_-]{0,62}$/;

export const deviceId = z.string().check(z.regex(namePattern)).brand<'DeviceId'>();
export type DeviceId = z.infer<typeof deviceId>;

export const fleetId = z.string().check(z.regex(namePattern)).brand<'FleetId'>();
export type FleetId = z.infer<typeof fleetId>;

export const modelName = z.string().check(z.regex(namePattern)).brand<'ModelName'>();
export type ModelName = z.infer<typeof modelName>;

/** SHA-256 in lower-case hex. */
export const digest = z
  .string()
  .check(z.regex(/^[0-9a-f]{64}$/))
  .brand<'Digest'>();
export type Digest = z.infer<typeof digest>;

/** Transfer id: chosen by the device, one per download. */
export const transferId = z
  .string()
  .check(z.regex(/^[A-Za-z0-9_-]{1,32}$/))
  .brand<'TransferId'>();
export type TransferId = z.infer<typeof transferId>;

/** A process start, told apart from the one before it. */
export const bootId = z
  .string()
  .check(z.regex(/^[A-Za-z0-9_-]{1,32}$/))
  .brand<'BootId'>();
export type BootId = z.infer<typeof bootId>;

/** Key id: the first 16 hex digits of the SHA-256 of the raw public key. */
export const keyId = z
  .string()
  .check(z.regex(/^[0-9a-f]{16}$/))
  .brand<'KeyId'>();
export type KeyId = z.infer<typeof keyId>;

export const versionNumber = z.int().check(z.gte(1), z.lte(1_000_000_000));
export const timestampMs = z.int().check(z.gte(0));
export const count = z.int().check(z.gte(0));
