import { link, mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import type { InputFile } from '@serin/protocol/api/datasets';
import { digest } from '@serin/protocol/ids';
import type { BlobStore } from './disk.ts';

/** A folder as it was where its files come from: links to blobs, so that it costs no bytes. */
export async function layOut(blobs: BlobStore, root: string, files: readonly InputFile[]): Promise<string> {
  await rm(root, { recursive: true, force: true });
  for (const { path: name, sha256 } of files) {
    const place = path.join(root, name);
    await mkdir(path.dirname(place), { recursive: true, mode: 0o700 });
    await link(blobs.locate(digest.parse(sha256)), place);
  }
  return root;
}
