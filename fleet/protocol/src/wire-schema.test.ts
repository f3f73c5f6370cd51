import { expect, test } from 'vitest';
import { z } from 'zod/mini';
import { joinReply, joinRequest, renewReply, renewRequest } from './api/join.ts';
import { golden } from './bundle/golden.ts';
import { keyset } from './bundle/keyset.ts';
import { manifest } from './bundle/manifest.ts';
import { preprocessing } from './bundle/preprocessing.ts';
import { profile } from './bundle/profile.ts';
import { signedDocument } from './bundle/signing.ts';
import { messageKinds } from './codec.ts';
import { sha256 } from './digest.ts';
import { deviceId, transferId } from './ids.ts';
import { desired } from './messages/desired.ts';
import { chunkTopic, grantsFor } from './topics.ts';

/** Hash of everything devices and servers of different versions must agree on. */
const pinned = 'c2aeac39f0a94810580c74341a7e7b42954fea4d0ed3e992a93a8f0dd58445da';

const toChangeIt = `
The wire has changed. Devices in the field speak the old one, so first decide:
- A change that old devices and old servers both understand (an optional field they ignore): add a sentence to the
  line of the present version in protocolHistory (fleet/protocol/src/version.ts).
- Any other change: raise protocolVersion and add a line for it; the server must go on speaking the version before.
Then set \`pinned\` in fleet/protocol/src/wire-schema.test.ts to the hash this test received.`;

const schemas = { signedDocument, keyset, manifest, desired, golden, profile, preprocessing, joinRequest, joinReply, renewRequest, renewReply };

/** Keys sorted, so that only meaning counts. */
function stable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(stable);
  if (typeof value !== 'object' || value === null) return value;
  const entries: [string, unknown][] = Object.entries(value);
  return Object.fromEntries(entries.sort(([left], [right]) => (left < right ? -1 : 1)).map(([key, item]) => [key, stable(item)]));
}

const shapeOf = (schema: z.ZodMiniType): unknown => z.toJSONSchema(schema, { unrepresentable: 'any' });

test('the wire is what it was when it was last looked at', async () => {
  const id = deviceId.parse('x');
  const wire = {
    messages: Object.entries(messageKinds).map(([name, { schema, encoding, bytesMax }]) => ({ name, encoding, bytesMax, shape: shapeOf(schema) })),
    documents: Object.entries(schemas).map(([name, schema]) => ({ name, shape: shapeOf(schema) })),
    topics: [...grantsFor({ role: 'device', id }), ...grantsFor({ role: 'server' }), chunkTopic(id, transferId.parse('t'))],
  };
  expect(await sha256(new TextEncoder().encode(JSON.stringify(stable(wire)))), toChangeIt).toBe(pinned);
});
