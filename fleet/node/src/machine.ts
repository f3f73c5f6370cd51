import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const flagsMax = 64;
/** What chooses the kernels of a runtime; hundreds of others do not. */
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

/** What this processor can do; empty where the platform does not say. */
export function processorFlags(): string[] {
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
    // Not knowing is an answer: whoever compares says so.
  }
  return [];
}

/** The folder itself, or the nearest above it, that has such an entry. */
export function folderAbove(folder: string, entry: string): string | undefined {
  if (existsSync(path.join(folder, entry))) return folder;
  const parent = path.dirname(folder);
  return parent === folder ? undefined : folderAbove(parent, entry);
}

/** Version of an npm package as the module of that address finds it. */
export function installedVersion(name: string, from: string): string {
  try {
    const folder = path.dirname(createRequire(from).resolve(name));
    const { version } = JSON.parse(readFileSync(path.join(folderAbove(folder, 'package.json') ?? folder, 'package.json'), 'utf8')) as { version?: string };
    return version ?? 'unknown';
  } catch {
    return 'unknown';
  }
}
