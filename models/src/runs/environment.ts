import { existsSync, readFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { cpus, release } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import type { Environment } from '@serin/protocol/api/runs';
import type { Digest } from '@serin/protocol/ids';
import { productVersion } from '@serin/protocol/version';

const flagsMax = 64;
/** What chooses the kernels of the runtime; hundreds of others do not. */
const telling = /^(avx.*|sse4_[12]|ssse3|fma|f16c|bmi[12]|amx.*|vnni|asimd.*|neon|fp16|fphp|i8mm|bf16|sve.*|dotprod)$/;

/** Flags of `/proc/cpuinfo`, of `sysctl` or of Windows' registry, those that matter, sorted. */
export function tellingFlags(text: string): string[] {
  const flags = new Set(
    text
      .toLowerCase()
      .replaceAll('.', '_')
      .split(/[\s,:]+/)
      .filter((flag) => telling.test(flag)),
  );
  return [...flags].toSorted().slice(0, flagsMax);
}

function readFlags(): string[] {
  try {
    if (process.platform === 'linux') {
      const line = /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'));
      return tellingFlags(line?.[1] ?? '');
    }
    if (process.platform === 'darwin') {
      const keys = ['machdep.cpu.features', 'machdep.cpu.leaf7_features', 'hw.optional.neon', 'hw.optional.arm.FEAT_DotProd', 'hw.optional.arm.FEAT_I8MM'];
      const text = execFileSync('/usr/sbin/sysctl', ['-i', ...keys], { encoding: 'utf8', timeout: 2000, stdio: ['ignore', 'pipe', 'ignore'] });
      const named = [...text.matchAll(/^hw\.optional\.(?:arm\.FEAT_)?(\w+): 1$/gm)].map(([, name]) => name);
      return tellingFlags(`${text} ${named.join(' ')}`);
    }
  } catch {
    // Not knowing is an answer: the comparison says so.
  }
  return [];
}

const here = path.dirname(fileURLToPath(import.meta.url));

/** The folder that a file lies in, or a folder above it, which has such an entry. */
function above(folder: string, entry: string): string | undefined {
  if (existsSync(path.join(folder, entry))) return folder;
  const parent = path.dirname(folder);
  return parent === folder ? undefined : above(parent, entry);
}

function versionOf(file: string): string {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as { version?: string }).version ?? 'unknown';
  } catch {
    return 'unknown';
  }
}

export function runtimeVersion(): string {
  const folder = path.dirname(createRequire(import.meta.url).resolve('onnxruntime-node'));
  return versionOf(path.join(above(folder, 'package.json') ?? folder, 'package.json'));
}

/** Where this process runs. */
export function readEnvironment(threads: number): Environment {
  const top = above(here, 'package-lock.json');
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
    cpuFlags: readFlags(),
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
    const top = above(from, '.git');
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
