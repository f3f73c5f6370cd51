import { beforeAll, describe, expect, test } from 'vitest';
import { fleetId, versionNumber } from '../ids.ts';
import { acceptKeyset, trustFirstKeyset, type Keyset } from './keyset.ts';
import { createKeyPair, importSigningKey, signDocument, type SigningKey } from './signing.ts';

const fleet = fleetId.parse('hall');
let roots: SigningKey[];
let newRoots: SigningKey[];
let release: SigningKey;
let director: SigningKey;

const key = async () => importSigningKey(await createKeyPair());
beforeAll(async () => {
  roots = [await key(), await key()];
  newRoots = [await key(), await key()];
  [release, director] = [await key(), await key()];
});

const role = (keys: readonly SigningKey[], threshold = 1) => ({ keys: keys.map(({ id, publicKey }) => ({ id, publicKey })), threshold });

function made(version: number, root: readonly SigningKey[] = roots, threshold = 1): Keyset {
  return {
    v: 1,
    fleet,
    version: versionNumber.parse(version),
    expires: 4_000_000_000_000,
    roles: { root: role(root, threshold), release: role([release]), director: role([director]) },
  };
}

const signed = (content: unknown, by: readonly SigningKey[]) => signDocument('keyset', content, by);
const refusedWith = (code: string) => expect.objectContaining({ code });

describe('the first keyset', () => {
  test('is trusted when the root it names signed it', async () => {
    expect(await trustFirstKeyset(await signed(made(3), roots.slice(0, 1)), fleet)).toEqual(made(3));
  });

  test('needs as many roots as it demands', async () => {
    await expect(trustFirstKeyset(await signed(made(1, roots, 2), roots.slice(0, 1)), fleet)).rejects.toEqual(refusedWith('KEYSET_INVALID'));
    expect((await trustFirstKeyset(await signed(made(1, roots, 2), roots), fleet)).version).toBe(1);
  });

  test.each([
    ['another signer', async () => signed(made(1), newRoots)],
    ['another fleet', async () => signed({ ...made(1), fleet: 'other' }, roots)],
    ['another kind of document', async () => signDocument('manifest', made(1), roots)],
    ['a missing role', async () => signed({ ...made(1), roles: { root: role(roots) } }, roots)],
    ['no JSON', async () => ({ ...(await signed(made(1), roots)), payload: '{' })],
  ])('is refused: %s', async (_, document) => {
    await expect(trustFirstKeyset(await document(), fleet)).rejects.toEqual(refusedWith('KEYSET_INVALID'));
  });

  test('is refused when one key stands in a role twice, under whatever ids', async () => {
    const [root] = roots as [SigningKey];
    const twin = { ...root, id: release.id };
    const content = { ...made(1, [root, twin], 2) };
    await expect(trustFirstKeyset(await signed(content, [root, twin]), fleet)).rejects.toEqual(refusedWith('KEYSET_INVALID'));
    const repeated = { ...made(1), roles: { ...made(1).roles, release: role([release, release]) } };
    await expect(trustFirstKeyset(await signed(repeated, roots), fleet)).rejects.toEqual(refusedWith('KEYSET_INVALID'));
  });

  test('is refused when an id is not the digest of its key', async () => {
    const content = { ...made(1), roles: { ...made(1).roles, release: role([{ ...release, id: director.id }]) } };
    await expect(trustFirstKeyset(await signed(content, roots), fleet)).rejects.toEqual(refusedWith('KEYSET_INVALID'));
  });

  test('is refused when a role demands more signatures than it has keys', async () => {
    const content = { ...made(1), roles: { ...made(1).roles, release: role([release], 2) } };
    await expect(trustFirstKeyset(await signed(content, roots), fleet)).rejects.toEqual(refusedWith('KEYSET_INVALID'));
  });
});

describe('a later keyset', () => {
  test('is accepted when it is the next and old and new root signed it', async () => {
    const next = made(2, newRoots);
    expect(await acceptKeyset(made(1), await signed(next, [...roots, ...newRoots]))).toEqual(next);
  });

  test.each([
    ['only the old root', () => roots],
    ['only the new root', () => newRoots],
    ['neither', () => [release, director]],
  ])('is refused when signed by %s', async (_, by) => {
    await expect(acceptKeyset(made(1), await signed(made(2, newRoots), by()))).rejects.toEqual(refusedWith('KEYSET_INVALID'));
  });

  test('must reach the thresholds of both', async () => {
    const current = made(1, roots, 2);
    const next = made(2, newRoots, 2);
    await expect(acceptKeyset(current, await signed(next, [...roots.slice(0, 1), ...newRoots]))).rejects.toEqual(refusedWith('KEYSET_INVALID'));
    await expect(acceptKeyset(current, await signed(next, [...roots, ...newRoots.slice(0, 1)]))).rejects.toEqual(refusedWith('KEYSET_INVALID'));
    expect(await acceptKeyset(current, await signed(next, [...roots, ...newRoots]))).toEqual(next);
  });

  test.each([1, 4, 5, 7])('version %i after 5 is refused', async (version) => {
    await expect(acceptKeyset(made(5), await signed(made(version), roots))).rejects.toEqual(refusedWith('KEYSET_ROLLBACK'));
  });

  test('of another fleet is refused', async () => {
    await expect(acceptKeyset(made(1), await signed({ ...made(2), fleet: 'other' }, roots))).rejects.toEqual(refusedWith('KEYSET_INVALID'));
  });
});
