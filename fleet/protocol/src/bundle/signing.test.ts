import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { createKeyPair, importSigningKey, keyIdOf, openDocument, signDocument, type SignedDocument, type SigningKey } from './signing.ts';

let keys: SigningKey[];
let stranger: SigningKey;

beforeAll(async () => {
  const made = await Promise.all(Array.from({ length: 4 }, async () => importSigningKey(await createKeyPair())));
  keys = made.slice(0, 3);
  stranger = made[3] as SigningKey;
});

const content = fc.jsonValue({ maxDepth: 2 });
const trust = (threshold: number) => ({ keys, threshold });
const isRefused = expect.objectContaining({ code: 'SIGNATURE_INVALID' });

describe('a signed document', () => {
  test('opens to what was signed', async () => {
    await fc.assert(
      fc.asyncProperty(content, async (value) => {
        const document = await signDocument('manifest', value, keys.slice(0, 1));
        expect(await openDocument(document, 'manifest', trust(1))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
      { numRuns: 30 },
    );
  });

  test('is refused when any letter of it is changed', async () => {
    await fc.assert(
      fc.asyncProperty(content, fc.nat(), fc.stringMatching(/^[0-9a-z]$/), async (value, at, letter) => {
        const document = await signDocument('manifest', value, keys.slice(0, 1));
        const place = at % document.payload.length;
        const payload = document.payload.slice(0, place) + letter + document.payload.slice(place + 1);
        fc.pre(payload !== document.payload);
        await expect(openDocument({ ...document, payload }, 'manifest', trust(1))).rejects.toEqual(isRefused);
      }),
      { numRuns: 30 },
    );
  });

  test('of one kind never passes for another', async () => {
    const document = await signDocument('manifest', { a: 1 }, keys.slice(0, 1));
    await expect(openDocument(document, 'desired', trust(1))).rejects.toEqual(isRefused);
    await expect(openDocument({ ...document, kind: 'desired' }, 'desired', trust(1))).rejects.toEqual(isRefused);
  });

  test('the kind and the text cannot shift into each other', async () => {
    const document = await signDocument('desired', 'x', keys.slice(0, 1));
    for (const payload of [` ${document.payload}`, `${document.payload} `, `3 ${document.payload}`]) {
      await expect(openDocument({ ...document, payload }, 'desired', trust(1))).rejects.toEqual(isRefused);
    }
  });
});

describe('the threshold', () => {
  test('counts different trusted keys, however the signatures are repeated and mixed', async () => {
    const document = await signDocument('manifest', { a: 1 }, [...keys, stranger]);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(3), { minLength: 1, maxLength: 8 }), fc.integer({ min: 1, max: 3 }), async (picks, threshold) => {
        const signatures = picks.map((pick) => document.signatures[pick] as SignedDocument['signatures'][number]);
        const signers = new Set(picks.filter((pick) => pick < 3)).size;
        const opened = openDocument({ ...document, signatures }, 'manifest', trust(threshold));
        if (signers >= threshold) expect(await opened).toEqual({ a: 1 });
        else await expect(opened).rejects.toEqual(isRefused);
      }),
      { numRuns: 60 },
    );
  });

  test('a stranger who claims a trusted id is not believed', async () => {
    const document = await signDocument('manifest', {}, [stranger]);
    const signatures = document.signatures.map((signature) => ({ ...signature, key: (keys[0] as SigningKey).id }));
    await expect(openDocument({ ...document, signatures }, 'manifest', trust(1))).rejects.toEqual(isRefused);
  });

  test('a bad signature beside a good one of the same key does no harm', async () => {
    const document = await signDocument('manifest', {}, keys.slice(0, 1));
    const bad = { key: (keys[0] as SigningKey).id, sig: 'AAAA' };
    const [good] = document.signatures;
    for (const signatures of [
      [bad, good],
      [good, bad],
    ] as SignedDocument['signatures'][]) {
      expect(await openDocument({ ...document, signatures }, 'manifest', trust(1))).toEqual({});
    }
  });

  test('a threshold of zero still wants one signature', async () => {
    const document = await signDocument('manifest', {}, [stranger]);
    await expect(openDocument(document, 'manifest', { keys, threshold: 0 })).rejects.toEqual(isRefused);
  });

  test.each(['', '!', 'AAAA', '='.repeat(128), 'é'])('a signature of %j is refused, not an accident', async (sig) => {
    const document = await signDocument('manifest', {}, keys.slice(0, 1));
    const signatures = document.signatures.map((signature) => ({ ...signature, sig }));
    await expect(openDocument({ ...document, signatures }, 'manifest', trust(1))).rejects.toEqual(isRefused);
  });
});

test('signed text that is not JSON is malformed, though signed', async () => {
  const [key] = keys as [SigningKey];
  const payload = '{"a":';
  const body = new TextEncoder().encode(payload);
  const bytes = new Uint8Array([...new TextEncoder().encode(`serin/1 manifest ${body.length} `), ...body]);
  const sig = btoa(String.fromCharCode(...new Uint8Array(await crypto.subtle.sign('Ed25519', key.privateKey, bytes))));
  await expect(openDocument({ kind: 'manifest', payload, signatures: [{ key: key.id, sig }] }, 'manifest', trust(1))).rejects.toEqual(
    expect.objectContaining({ code: 'MESSAGE_MALFORMED' }),
  );
});

test('a key id follows from the key', async () => {
  const pair = await createKeyPair();
  expect((await importSigningKey(pair)).id).toBe(await keyIdOf(pair.publicKey));
  expect(await keyIdOf(pair.publicKey)).toMatch(/^[0-9a-f]{16}$/);
});
