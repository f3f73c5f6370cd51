import { deserialize, serialize } from 'node:v8';
import type { ProfileState } from '@serin/models/data/quality/profile';

/** A profile as it merges with others: plain data of numbers, maps and typed arrays. Another form of it is not read but made anew. */
const form = 1;

export const encodeProfile = (state: ProfileState): Uint8Array => serialize({ form, state });

export function decodeProfile(bytes: Uint8Array): ProfileState | undefined {
  try {
    const content = deserialize(bytes) as { form?: unknown; state?: ProfileState };
    return content.form === form ? content.state : undefined;
  } catch {
    return undefined;
  }
}
