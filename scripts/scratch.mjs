// A folder in memory for what tests write: databases and stores sync every commit to the disk, which is most of what many tests wait for.
import { chmodSync, mkdtempSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const memory = '/dev/shm';
const prefix = 'serin-test-';
/** Several times what they have been seen to take at once. */
const neededBytes = 1024 ** 3;
/** For the programs under test themselves, besides. */
const leftBytes = 3 * 1024 ** 3;

function isRunning(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** What runs that were killed left behind takes memory until somebody removes it. */
function removeOrphans() {
  for (const name of readdirSync(memory)) {
    const pid = Number(new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1]);
    if (pid > 0 && !isRunning(pid)) rmSync(path.join(memory, name), { recursive: true, force: true });
  }
}

function hasRoom() {
  try {
    removeOrphans();
    const { bavail, bsize } = statfsSync(memory);
    return bavail * bsize > neededBytes && process.availableMemory() > neededBytes + leftBytes;
  } catch {
    return false;
  }
}

/** A new folder: in memory where Linux has plenty of it, else where temporary files are. Whoever asks removes it. */
export function makeScratchFolder() {
  const folder = mkdtempSync(path.join(hasRoom() ? memory : tmpdir(), `${prefix}${process.pid}-`));
  // PostgreSQL runs as another user where tests run as root.
  chmodSync(folder, 0o755);
  return folder;
}
