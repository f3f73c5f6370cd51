import { existsSync, readFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { cpus, release } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { folderAbove, installedVersion, processorFlags } from '@serin/node/machine';
import type { Environment } from '@serin/protocol/api/runs';
import type { Digest } from '@serin/protocol/ids';
import { productVersion } from '@serin/protocol/version';

const here = path.dirname(fileURLToPath(import.meta.url));

export const runtimeVersion = (): string => installedVersion('onnxruntime-node', import.meta.url);

/** Where this process runs. */
export function readEnvironment(threads: number): Environment {
  const top = folderAbove(here, 'package-lock.json');
  const lockfile =
    top === undefined
      ? null
      : (createHash('sha256')
          .update(readFileSync(path.join(top, 'package-lock.json')))
          .digest('hex') as Digest);
  return {
    product: productVersion,
    node: process.versions.node,
    ort: runtimeVersion(),
    platform: `${process.platform} ${release()}`.slice(0, 64),
    arch: process.arch,
    cpu: (cpus()[0]?.model ?? 'unknown').trim().slice(0, 128),
    cpuFlags: processorFlags(),
    threads,
    lockfile,
  };
}

/**
 * The commit this program was checked out at, read from git's own files: there may be no git to run. Whether files differ
 * from it is not looked at; the digest of the code tells.
 */
export function codeRevision(from = here): string | null {
  try {
    const top = folderAbove(from, '.git');
    if (top === undefined) return null;
    const folder = gitFolder(path.join(top, '.git'));
    const head = readFileSync(path.join(folder, 'HEAD'), 'utf8').trim();
    const ref = /^ref: (.+)$/.exec(head)?.[1];
    const commit = ref === undefined ? head : readRef(folder, ref);
    return commit !== undefined && /^[0-9a-f]{40}([0-9a-f]{24})?$/.test(commit) ? commit : null;
  } catch {
    return null;
  }
}

/** A worktree and a submodule have a file that names the folder. */
function gitFolder(entry: string): string {
  if (existsSync(path.join(entry, 'HEAD'))) return entry;
  const target = /^gitdir: (.+)$/m.exec(readFileSync(entry, 'utf8'))?.[1] ?? '';
  return path.resolve(path.dirname(entry), target);
}

function readRef(folder: string, ref: string): string | undefined {
  const common = existsSync(path.join(folder, 'commondir')) ? path.resolve(folder, readFileSync(path.join(folder, 'commondir'), 'utf8').trim()) : folder;
  for (const place of [folder, common]) {
    const file = path.join(place, ref);
    if (existsSync(file)) return readFileSync(file, 'utf8').trim();
  }
  const packed = path.join(common, 'packed-refs');
  if (!existsSync(packed)) return undefined;
  const line = readFileSync(packed, 'utf8')
    .split('\n')
    .find((one) => one.endsWith(` ${ref}`));
  return line?.slice(0, line.indexOf(' '));
}
