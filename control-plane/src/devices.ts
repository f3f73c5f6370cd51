import { createHash, randomBytes } from 'node:crypto';
import { and, eq, gt } from 'drizzle-orm';
import { formatJoinToken, type JoinReply, type JoinRequest } from '@serin/protocol/api/join';
import { SerinError } from '@serin/protocol/errors';
import { deviceId, type DeviceId } from '@serin/protocol/ids';
import { protocolVersion, speaksProtocol } from '@serin/protocol/version';
import { recordAudit } from './audit.ts';
import { isReservedName } from './broker/access.ts';
import { publicKeyDigest } from './certificates.ts';
import type { Changes } from './changes.ts';
import type { Clock } from './clock.ts';
import type { Keys } from './keys.ts';
import { devices, enrolments } from './store/schema.ts';
import type { Db, Store } from './store/store.ts';

export interface DeviceContext {
  store: Store;
  keys: Keys;
  clock: Clock;
  changes: Changes;
  /** Where devices reach the broker and this server; known once the listeners are open. */
  addresses(): { brokerUrl: string; deviceUrl: string };
  /** Gives a device that joins what the fleet serves, in the transaction of the join. */
  assignModels(tx: Db, device: DeviceId): Promise<void>;
  /** Ends the connections of a device at once. */
  disconnect(device: DeviceId): void;
}

export interface Enrolment {
  token: string;
  expiresAt: number;
}

const enrolmentsMax = 10_000;
const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex');

/** A single-use join token; only the hash of its claim is kept. */
export async function createEnrolment(
  { store, keys, clock }: DeviceContext,
  { name, minutes }: { name?: DeviceId; minutes: number },
  actor: string,
): Promise<Enrolment> {
  if (name !== undefined) requireFreeName(name);
  const claim = randomBytes(24).toString('base64url');
  const expiresAt = clock() + minutes * 60_000;
  await store.transaction(async (tx) => {
    if (name !== undefined) await requireNotActive(tx, name);
    if ((await tx.$count(enrolments, gt(enrolments.expiresAt, clock()))) >= enrolmentsMax) {
      throw new SerinError('TOO_MANY_REQUESTS', { detail: `${enrolmentsMax} join tokens are open` });
    }
    await tx.insert(enrolments).values({ hash: hashOf(claim), name: name ?? null, createdBy: actor, expiresAt });
    await recordAudit(tx, {
      at: clock(),
      actor,
      action: 'device.enrol',
      subject: name ?? 'any',
      words: `made a join token for ${name ?? 'any name'}, good for ${minutes} min`,
    });
  });
  return { token: formatJoinToken({ caSha256: keys.caSha256, claim }), expiresAt };
}

function requireFreeName(name: string): void {
  if (isReservedName(name))
    throw new SerinError('BAD_REQUEST', { detail: `the name "${name}" is reserved`, hint: 'Choose one that does not begin with "srv" or end with "-x"' });
}

async function requireNotActive(tx: Db, name: string): Promise<void> {
  const [present] = await tx.select({ state: devices.state }).from(devices).where(eq(devices.id, name));
  if (present?.state === 'ACTIVE') throw new SerinError('JOIN_NAME_TAKEN', { detail: name });
}

/**
 * Uses up the claim. The same key may come again with it: a device whose answer got lost has no other way,
 * and the request proves that it has the key.
 */
async function useClaim(tx: Db, claim: string, keyHash: string, now: number): Promise<{ name: string | null; joinedAs: string | null }> {
  const [row] = await tx
    .select()
    .from(enrolments)
    .where(and(eq(enrolments.hash, hashOf(claim)), gt(enrolments.expiresAt, now)))
    .for('update');
  if (row === undefined) throw new SerinError('JOIN_CLAIM_INVALID');
  if (row.usedAt === null) return { name: row.name, joinedAs: null };
  if (row.keyHash !== keyHash || row.device === null) throw new SerinError('JOIN_CLAIM_INVALID');
  return { name: row.name, joinedAs: row.device };
}

const randomName = (): DeviceId => deviceId.parse(`device-${randomBytes(4).toString('hex')}`);

/** Enrols a device: one transaction spends the claim, takes the name and gives it what the fleet serves. */
export async function joinDevice(context: DeviceContext, request: JoinRequest): Promise<JoinReply> {
  const { store, keys, clock, changes } = context;
  if (!speaksProtocol(request.hello.protocol)) {
    throw new SerinError('PROTOCOL_UNSUPPORTED', {
      detail: `protocol ${request.hello.protocol}, this server speaks ${protocolVersion - 1} and ${protocolVersion}`,
    });
  }
  const keyHash = await publicKeyDigest(request.csrPem);
  const joined = await store.transaction(async (tx) => {
    const now = clock();
    const { name, joinedAs } = await useClaim(tx, request.claim, keyHash, now);
    const id = deviceId.parse(joinedAs ?? name ?? request.name ?? randomName());
    requireFreeName(id);
    if (joinedAs === null) await requireNotActive(tx, id);
    else await requireSameDevice(tx, id);
    const issued = await keys.issueDevice(request.csrPem, id);
    const certificate = { certificateSerial: issued.serial, certificateExpiresAt: issued.expiresAt, previousSerial: null };
    await tx
      .insert(devices)
      .values({ id, state: 'ACTIVE', hello: request.hello, joinedAt: now, ...certificate })
      .onConflictDoUpdate({ target: devices.id, set: { state: 'ACTIVE', hello: request.hello, joinedAt: now, online: false, ...certificate } });
    await tx
      .update(enrolments)
      .set({ usedAt: now, device: id, keyHash })
      .where(eq(enrolments.hash, hashOf(request.claim)));
    await context.assignModels(tx, id);
    await recordAudit(tx, { at: now, actor: id, action: 'device.join', subject: id, words: `${request.hello.class} joined, certificate ${issued.serial}` });
    return { id, certificatePem: issued.certificatePem };
  });
  changes.tell({ type: 'device', id: joined.id });
  return {
    fleet: keys.fleet,
    device: joined.id,
    certificatePem: joined.certificatePem,
    caPem: keys.caPem,
    keyset: keys.keysetDocument,
    ...context.addresses(),
  };
}

async function requireSameDevice(tx: Db, id: DeviceId): Promise<void> {
  const [present] = await tx.select({ state: devices.state }).from(devices).where(eq(devices.id, id));
  if (present?.state !== 'ACTIVE') throw new SerinError('JOIN_CLAIM_INVALID');
}

/** A device that speaks by mTLS: active, and with the certificate it was given last or the one before. */
export async function authenticateDevice({ store }: Pick<DeviceContext, 'store'>, commonName: string, serial: string): Promise<DeviceId> {
  const id = deviceId.safeParse(commonName);
  const [row] = id.success ? await store.db.select().from(devices).where(eq(devices.id, id.data)) : [];
  if (!id.success || row === undefined) throw new SerinError('NOT_SIGNED_IN', { hint: 'Join the fleet first' });
  if (row.state !== 'ACTIVE') throw new SerinError('DEVICE_REVOKED');
  const presented = serial.toLowerCase();
  if (presented !== row.certificateSerial && presented !== row.previousSerial)
    throw new SerinError('DEVICE_REVOKED', { detail: 'the certificate was replaced' });
  // Used once, the new certificate ends the old one.
  if (presented === row.certificateSerial && row.previousSerial !== null)
    await store.db
      .update(devices)
      .set({ previousSerial: null })
      .where(and(eq(devices.id, id.data), eq(devices.certificateSerial, presented)));
  return id.data;
}

/** A fresh certificate for the same device. The one it shows stays good until the new one has been used. */
export async function renewDevice(
  { store, keys, clock }: DeviceContext,
  id: DeviceId,
  presentedSerial: string,
  csrPem: string,
): Promise<{ certificatePem: string; caPem: string }> {
  const issued = await keys.issueDevice(csrPem, id);
  await store.transaction(async (tx) => {
    const renewed = await tx
      .update(devices)
      .set({ certificateSerial: issued.serial, certificateExpiresAt: issued.expiresAt, previousSerial: presentedSerial.toLowerCase() })
      .where(and(eq(devices.id, id), eq(devices.state, 'ACTIVE')))
      .returning({ id: devices.id });
    if (renewed.length === 0) throw new SerinError('DEVICE_REVOKED');
    await recordAudit(tx, { at: clock(), actor: id, action: 'device.renew', subject: id, words: `certificate ${issued.serial}` });
  });
  return { certificatePem: issued.certificatePem, caPem: keys.caPem };
}

/** From the commit on nothing of the device counts; its connections end right after. */
export async function revokeDevice({ store, clock, changes, disconnect }: DeviceContext, id: DeviceId, actor: string): Promise<void> {
  await store.transaction(async (tx) => {
    const [revoked] = await tx.update(devices).set({ state: 'REVOKED', online: false }).where(eq(devices.id, id)).returning({ id: devices.id });
    if (revoked === undefined) throw new SerinError('NOT_FOUND', { detail: `device ${id}` });
    await recordAudit(tx, { at: clock(), actor, action: 'device.revoke', subject: id, words: 'revoked; its connections end at once' });
  });
  disconnect(id);
  changes.tell({ type: 'device', id });
}

/** Whether a device may connect to the broker by the certificate it shows. */
export async function mayConnect(context: Pick<DeviceContext, 'store'>, id: DeviceId, serial: string): Promise<boolean> {
  try {
    await authenticateDevice(context, id, serial);
    return true;
  } catch (error) {
    if (error instanceof SerinError && (error.code === 'DEVICE_REVOKED' || error.code === 'NOT_SIGNED_IN')) return false;
    throw error;
  }
}

export async function isActiveDevice({ store }: Pick<DeviceContext, 'store'>, id: DeviceId): Promise<boolean> {
  const [row] = await store.db.select({ state: devices.state }).from(devices).where(eq(devices.id, id));
  return row?.state === 'ACTIVE';
}
