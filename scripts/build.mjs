// Compiles what changed since the last build: TypeScript of every package, then the browser pages. Silent when nothing did.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const bin = (name) => path.join(root, 'node_modules', '.bin', process.platform === 'win32' ? `${name}.cmd` : name);
const skipped = new Set(['node_modules', 'dist', '.git', '.serin', '.cache']);

/** The last change below a folder. A folder of sources counts too: its time moves when a file is deleted. */
function newest(folder) {
  let latest = folder.split(path.sep).includes('src') ? statSync(folder).mtimeMs : 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (skipped.has(entry.name)) continue;
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) latest = Math.max(latest, newest(file));
    else if (/\.(tsx?|json|css|html|svg|mjs|cjs)$/.test(entry.name)) latest = Math.max(latest, statSync(file).mtimeMs);
  }
  return latest;
}

function run(what, command, args, cwd = root) {
  const began = Date.now();
  const { status } = spawnSync(command, args, { cwd, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' });
  if (status !== 0) {
    console.error(`serin: building ${what} failed; the lines above say where`);
    process.exit(1);
  }
  console.error(`serin: built ${what} in ${((Date.now() - began) / 1000).toFixed(1)} s`);
}

function step(what, folders, output, stampName, build) {
  const stamp = path.join(root, 'node_modules', '.cache', stampName);
  const shared = ['tsconfig.json', 'tsconfig.base.json', 'package-lock.json'].map((file) => statSync(path.join(root, file)).mtimeMs);
  const changed = Math.max(...shared, ...folders.map((folder) => newest(path.join(root, folder))));
  if (existsSync(stamp) && existsSync(path.join(root, output)) && statSync(stamp).mtimeMs >= changed) return;
  build();
  mkdirSync(path.dirname(stamp), { recursive: true });
  writeFileSync(stamp, '');
  const seconds = changed / 1000 + 0.001;
  utimesSync(stamp, seconds, seconds);
}

const sources = ['fleet', 'models', 'edge-agent', 'web-client', 'control-plane'];
step('programs', sources, 'control-plane/dist/main.js', 'serin-types', () => run('programs', bin('tsc'), ['-b']));
for (const [what, folder] of [
  ['console', 'control-plane/console'],
  ['browser client', 'web-client'],
]) {
  if (!existsSync(path.join(root, folder, 'vite.config.ts'))) continue;
  const uses = folder === 'web-client' ? [folder, 'fleet/protocol', 'fleet/stats', 'fleet/inference', 'fleet/device'] : [folder, 'fleet/protocol'];
  step(what, uses, `${folder}/dist/app`, `serin-${path.basename(folder)}`, () =>
    run(what, bin('vite'), ['build', '--logLevel', 'warn'], path.join(root, folder)),
  );
}
