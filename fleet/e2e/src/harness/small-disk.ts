import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** A disk of its own that a test can fill without harming anybody. Needs root on Linux. */
export interface SmallDisk {
  folder: string;
  /** Takes all space but this. */
  fill(leaveBytes: number): void;
  free(): void;
  unmount(): void;
}

const block = Buffer.alloc(1 << 20, 1);

export function mountSmallDisk(sizeMb: number): SmallDisk {
  const folder = mkdtempSync(path.join(tmpdir(), 'serin-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMb}m`, 'serin-test', folder], { stdio: 'pipe' });
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  const filler = path.join(folder, 'filler');
  return {
    folder,
    fill(leaveBytes) {
      const { bavail, bsize } = statfsSync(folder);
      const file = openSync(filler, 'a');
      try {
        for (let rest = bavail * bsize - leaveBytes; rest > 0;) {
          const written = writeSync(file, block, 0, Math.min(rest, block.length));
          if (written === 0) break;
          rest -= written;
        }
      } catch (error) {
        // Somebody else writes too: the disk is full, which is what was wanted.
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      } finally {
        closeSync(file);
      }
    },
    free: () => rmSync(filler, { force: true }),
    unmount() {
      // Lazily: a program that a failed test left behind may still hold a file.
      execFileSync('umount', ['--lazy', folder], { stdio: 'pipe' });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
