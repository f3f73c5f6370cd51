import { createHash, randomBytes } from 'node:crypto';
import { and, desc, eq, gt, isNull, lt } from 'drizzle-orm';
import type { Role } from '@serin/protocol/api/resources';
import { SerinError } from '@serin/protocol/errors';
import { recordAudit } from './audit.ts';
import type { Clock } from './clock.ts';
import { sessions, signInCodes, tokens } from './store/schema.ts';
import type { Db, Store } from './store/store.ts';

/** Who asks: a person by a cookie or a machine by a token. */
export interface Principal {
  name: string;
  role: Role;
  kind: 'session' | 'token';
  /** Hash of the session or id of the token. */
  id: string;
}

export interface AccessContext {
  store: Store;
  clock: Clock;
}

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
const signInCodeMs = 15 * minuteMs;
export const sessionMs = 7 * dayMs;
const tokensMax = 1000;
const tokenPrefix = 'srt_';
const rank: Record<Role, number> = { viewer: 0, operator: 1, admin: 2 };

export const mayAct = (held: Role, wanted: Role): boolean => rank[held] >= rank[wanted];

/** 256 bits: nothing to guess, so one fast hash suffices and equality of hashes leaks nothing. */
const newSecret = (): string => randomBytes(32).toString('base64url');
const hashSecret = (secret: string): string => createHash('sha256').update(secret).digest('hex');

/** A code for the one-time link; those of earlier starts no longer count. */
export async function createSignInCode({ store, clock }: AccessContext): Promise<string> {
  const code = newSecret();
  await store.transaction(async (tx) => {
    await tx.delete(signInCodes);
    await tx.insert(signInCodes).values({ hash: hashSecret(code), role: 'admin', expiresAt: clock() + signInCodeMs });
  });
  return code;
}

/** Trades a code for a session, once. */
export async function signIn({ store, clock }: AccessContext, code: string): Promise<{ secret: string; principal: Principal }> {
  const secret = newSecret();
  const id = hashSecret(secret);
  const role = await store.transaction(async (tx) => {
    const now = clock();
    const [used] = await tx
      .update(signInCodes)
      .set({ usedAt: now })
      .where(and(eq(signInCodes.hash, hashSecret(code)), isNull(signInCodes.usedAt), gt(signInCodes.expiresAt, now)))
      .returning({ role: signInCodes.role });
    if (used === undefined) throw new SerinError('TOKEN_INVALID', { hint: 'Restart the server for a new link, or use a token' });
    await tx.delete(sessions).where(lt(sessions.expiresAt, now));
    await tx.insert(sessions).values({ hash: id, name: used.role, role: used.role, createdAt: now, expiresAt: now + sessionMs });
    await recordAudit(tx, { at: now, actor: used.role, action: 'session.start', subject: used.role, words: 'signed in by the one-time link' });
    return used.role;
  });
  return { secret, principal: { name: role, role, kind: 'session', id } };
}

export async function signOut({ store }: AccessContext, principal: Principal): Promise<void> {
  if (principal.kind === 'session') await store.db.delete(sessions).where(eq(sessions.hash, principal.id));
}

export async function findSession({ store, clock }: AccessContext, secret: string): Promise<Principal | undefined> {
  const [row] = await store.db
    .select()
    .from(sessions)
    .where(and(eq(sessions.hash, hashSecret(secret)), gt(sessions.expiresAt, clock())));
  return row === undefined ? undefined : { name: row.name, role: row.role, kind: 'session', id: row.hash };
}

export async function findToken({ store, clock }: AccessContext, secret: string): Promise<Principal | undefined> {
  if (!secret.startsWith(tokenPrefix)) return undefined;
  const now = clock();
  const [row] = await store.db
    .select()
    .from(tokens)
    .where(and(eq(tokens.hash, hashSecret(secret)), gt(tokens.expiresAt, now)));
  if (row === undefined) return undefined;
  // One write a minute at most: reading must stay reading.
  if (row.lastUsedAt === null || now - row.lastUsedAt > minuteMs) await store.db.update(tokens).set({ lastUsedAt: now }).where(eq(tokens.id, row.id));
  return { name: row.name, role: row.role, kind: 'token', id: row.id };
}

export interface NewToken {
  name: string;
  role: Role;
  days: number;
}

async function insertToken(tx: Db, { name, role, days }: NewToken, now: number): Promise<{ id: string; token: string; expiresAt: number }> {
  const token = `${tokenPrefix}${newSecret()}`;
  const id = randomBytes(8).toString('hex');
  const expiresAt = now + days * dayMs;
  await tx.insert(tokens).values({ id, name, role, hash: hashSecret(token), createdAt: now, expiresAt });
  return { id, token, expiresAt };
}

/** The secret is in the answer and nowhere else. */
export async function createToken(
  { store, clock }: AccessContext,
  request: NewToken,
  actor: string,
): Promise<{ id: string; token: string; expiresAt: number }> {
  return store.transaction(async (tx) => {
    const now = clock();
    await tx.delete(tokens).where(lt(tokens.expiresAt, now));
    if ((await tx.$count(tokens)) >= tokensMax) throw new SerinError('CONFLICT', { detail: `there are ${tokensMax} tokens`, hint: 'Revoke some first' });
    const made = await insertToken(tx, request, now);
    await recordAudit(tx, {
      at: now,
      actor,
      action: 'token.create',
      subject: made.id,
      words: `made the token "${request.name}" (${request.role}) for ${request.days} days`,
    });
    return made;
  });
}

/** Stands in the audit and beside what it started. */
const parentName = 'launcher';

/** The token of the program that started this one: there is one, and each start makes it anew. */
export async function replaceParentToken({ store, clock }: AccessContext): Promise<string> {
  return store.transaction(async (tx) => {
    await tx.delete(tokens).where(eq(tokens.name, parentName));
    return (await insertToken(tx, { name: parentName, role: 'admin', days: 30 }, clock())).token;
  });
}

export async function listTokens({ store }: AccessContext): Promise<Omit<typeof tokens.$inferSelect, 'hash'>[]> {
  const { id, name, role, createdAt, expiresAt, lastUsedAt } = tokens;
  return store.db.select({ id, name, role, createdAt, expiresAt, lastUsedAt }).from(tokens).orderBy(desc(createdAt)).limit(tokensMax);
}

export async function revokeToken({ store, clock }: AccessContext, id: string, actor: string): Promise<void> {
  await store.transaction(async (tx) => {
    const [gone] = await tx.delete(tokens).where(eq(tokens.id, id)).returning({ name: tokens.name });
    if (gone === undefined) throw new SerinError('NOT_FOUND', { detail: `token ${id}` });
    await recordAudit(tx, { at: clock(), actor, action: 'token.revoke', subject: id, words: `revoked the token "${gone.name}"` });
  });
}
