// Installs what the lockfile asks for when that differs from what is installed; silent and instant otherwise.
import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const stamp = path.join(root, 'node_modules', '.serin-lock');
const floor = [20, 19];
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < floor[0] || (major === floor[0] && minor < floor[1])) {
  console.error(`serin: Node ${process.versions.node} is too old; it needs ${floor.join('.')} or newer`);
  process.exit(1);
}

const wanted = createHash('sha256')
  .update(readFileSync(path.join(root, 'package-lock.json')))
  .digest('hex');
const installed = existsSync(stamp) ? readFileSync(stamp, 'utf8') : '';
if (installed !== wanted) {
  console.error('serin: installing dependencies (first run, or the lockfile changed) ...');
  const began = Date.now();
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const args = ['ci', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];
  const { status } = spawnSync(npm, args, { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' });
  if (status !== 0) {
    console.error('serin: npm ci failed; the lines above say why. Check the network, then run the same command again.');
    process.exit(1);
  }
  writeFileSync(stamp, wanted);
  console.error(`serin: dependencies installed in ${((Date.now() - began) / 1000).toFixed(0)} s`);
}
