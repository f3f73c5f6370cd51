import { z } from 'zod/mini';
import { SerinError } from '../errors.ts';
import { fleetId, keyId, timestampMs, versionNumber, type FleetId } from '../ids.ts';
import { keyIdOf, openDocument, type SignedDocument } from './signing.ts';

const role = z.object({
  keys: z.array(z.object({ id: keyId, publicKey: z.string().check(z.maxLength(64)) })).check(z.minLength(1), z.maxLength(16)),
  threshold: z.int().check(z.gte(1), z.lte(16)),
});

/** Who may sign what. Signed by the root; each version is exactly one more than the last. */
export const keyset = z.object({
  v: z.literal(1),
  fleet: fleetId,
  version: versionNumber,
  expires: timestampMs,
  roles: z.object({ root: role, release: role, director: role }),
});
export type Keyset = z.infer<typeof keyset>;

function parseKeyset(content: unknown, fleet: FleetId): Keyset {
  const parsed = keyset.safeParse(content);
  if (!parsed.success) throw new SerinError('KEYSET_INVALID', { detail: z.prettifyError(parsed.error).slice(0, 300) });
  if (parsed.data.fleet !== fleet) throw new SerinError('KEYSET_INVALID', { detail: `made for the fleet ${parsed.data.fleet}` });
  return parsed.data;
}

/** A role whose keys repeat could meet its threshold with fewer people than it says; one that lacks keys never could. */
async function checkRoles(roles: Keyset['roles']): Promise<void> {
  for (const [name, { keys, threshold }] of Object.entries(roles)) {
    if (new Set(keys.map(({ id }) => id)).size < keys.length) throw new SerinError('KEYSET_INVALID', { detail: `${name} has one key twice` });
    if (threshold > keys.length) throw new SerinError('KEYSET_INVALID', { detail: `${name} demands ${threshold} signatures of ${keys.length} keys` });
    for (const { id, publicKey } of keys) {
      const actual = await keyIdOf(publicKey).catch(() => undefined);
      if (actual !== id) throw new SerinError('KEYSET_INVALID', { detail: `${name}: the key ${id} does not have that id` });
    }
  }
}

async function openKeyset(document: SignedDocument, root: Keyset['roles']['root'], fleet: FleetId): Promise<Keyset> {
  try {
    const keys = parseKeyset(await openDocument(document, 'keyset', root), fleet);
    await checkRoles(keys.roles);
    return keys;
  } catch (cause) {
    if (cause instanceof SerinError && cause.code === 'SIGNATURE_INVALID') throw new SerinError('KEYSET_INVALID', { detail: cause.detail ?? '', cause });
    throw cause;
  }
}

/** First contact: the keyset came over a channel pinned by the join token, and must be signed by the root it names. */
export async function trustFirstKeyset(document: SignedDocument, fleet: FleetId): Promise<Keyset> {
  let claimed: unknown;
  try {
    claimed = JSON.parse(document.payload);
  } catch (cause) {
    throw new SerinError('KEYSET_INVALID', { cause });
  }
  return openKeyset(document, parseKeyset(claimed, fleet).roles.root, fleet);
}

/** A later keyset must be signed by the old root and by the new one, and be exactly the next version. */
export async function acceptKeyset(current: Keyset, document: SignedDocument): Promise<Keyset> {
  const next = await openKeyset(document, current.roles.root, current.fleet);
  await openKeyset(document, next.roles.root, current.fleet);
  if (next.version !== current.version + 1) {
    throw new SerinError('KEYSET_ROLLBACK', { detail: `version ${next.version} after ${current.version}` });
  }
  return next;
}
