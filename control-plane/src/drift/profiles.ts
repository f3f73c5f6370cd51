import { profile as profileSchema, type Profile } from '@serin/protocol/bundle/profile';
import type { BlobStore } from '../blobs/disk.ts';
import type { Db } from '../store/store.ts';
import { findVersion, manifestOf } from '../views/models.ts';

export interface Profiles {
  /** The reference profile of a version; undefined where it has none. */
  of(db: Db, model: string, version: number): Promise<Profile | undefined>;
}

const cachedMax = 64;

/** Profiles never change, so they are read once. */
export function createProfiles(blobs: BlobStore): Profiles {
  const cache = new Map<string, Profile | undefined>();
  return {
    async of(db, model, version) {
      const key = `${model} ${version}`;
      if (cache.has(key)) return cache.get(key);
      const row = await findVersion(db, model, version);
      if (row === undefined) return undefined;
      const file = manifestOf(row).files.find(({ role }) => role === 'profile');
      const found = file === undefined ? undefined : profileSchema.parse(JSON.parse(new TextDecoder().decode(await blobs.read(file.sha256))));
      if (cache.size >= cachedMax) cache.delete(cache.keys().next().value ?? '');
      cache.set(key, found);
      return found;
    },
  };
}
