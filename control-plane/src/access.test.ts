import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { createSignInCode, createToken, findSession, findToken, replaceParentToken, sessionMs, signIn, signOut, type AccessContext } from './access.ts';
import { sessions, signInCodes, tokens } from './store/schema.ts';
import { openTestStore } from './store/testing.ts';

let context: AccessContext;
let now: number;
const minuteMs = 60_000;

beforeEach(async () => {
  const store = await openTestStore();
  onTestFinished(() => store.close());
  now = Date.UTC(2026, 0, 1);
  context = { store, clock: () => now };
});

test('of many that use one link at once, one is signed in', async () => {
  const code = await createSignInCode(context);
  const outcomes = await Promise.allSettled(Array.from({ length: 6 }, () => signIn(context, code)));
  expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBe(1);
});

test('a link ends after a quarter of an hour, and with the next start', async () => {
  const first = await createSignInCode(context);
  now += 15 * minuteMs;
  await expect(signIn(context, first)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
  const second = await createSignInCode(context);
  await createSignInCode(context);
  await expect(signIn(context, second)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
});

test('a session ends with its time or by signing out', async () => {
  const { secret, principal } = await signIn(context, await createSignInCode(context));
  expect(await findSession(context, secret)).toEqual(principal);
  now += sessionMs;
  expect(await findSession(context, secret)).toBeUndefined();
  now -= sessionMs;
  await signOut(context, principal);
  expect(await findSession(context, secret)).toBeUndefined();
});

test('a token ends with its days; its use is noted once a minute', async () => {
  const { token } = await createToken(context, { name: 'ci', role: 'viewer', days: 1 }, 'ann');
  const used = async () => (await context.store.db.select().from(tokens))[0]?.lastUsedAt;
  await findToken(context, token);
  const first = await used();
  now += minuteMs / 2;
  await findToken(context, token);
  expect(await used()).toBe(first);
  now += minuteMs;
  await findToken(context, token);
  expect(await used()).toBe(now);
  now += 24 * 60 * minuteMs;
  expect(await findToken(context, token)).toBeUndefined();
});

test('the token of the parent process is one, anew at each start', async () => {
  const first = await replaceParentToken(context);
  const second = await replaceParentToken(context);
  expect(await findToken(context, first)).toBeUndefined();
  expect(await findToken(context, second)).toMatchObject({ role: 'admin' });
});

test('no secret is in the database', async () => {
  const code = await createSignInCode(context);
  const { token } = await createToken(context, { name: 'ci', role: 'viewer', days: 1 }, 'ann');
  const other = await createSignInCode(context);
  const { secret } = await signIn(context, other);
  const { db } = context.store;
  const stored = JSON.stringify([await db.select().from(tokens), await db.select().from(sessions), await db.select().from(signInCodes)]);
  for (const word of [code, token, other, secret, token.slice(4)]) expect(stored).not.toContain(word);
});
