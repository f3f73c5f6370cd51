import path from 'node:path';

import { addVersion, listVersions, openDatasetStore, removeUnreferenced } from '../store.ts';
import { writeRound } from './written-files.ts';

/** A program that adds version after version to the store it is given and tells of every step: one to be killed. */
const [folder = '', work = ''] = process.argv.slice(2);
const store = await openDatasetStore(folder);
for (;;) {
  const version = ((await listVersions(store, 'd'))[0]?.version ?? 0) + 1;
  const files = await writeRound(path.join(work, String(version)), version);
  process.send?.({ began: version });
  const added = await addVersion(store, {
    dataset: 'd',
    spec: { kind: 'table', label: 'label' },
    files,
    onProgress: (progress) => process.send?.({ progress }),
  });
  process.send?.({ committed: added.version.version });
  if (version % 3 === 0) process.send?.({ removed: await removeUnreferenced(store) });
}
