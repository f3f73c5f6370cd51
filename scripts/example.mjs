// npm run example -- --list | NAME [flags of the example]: trains one of models/src/examples as its user would.
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const folder = path.join(path.dirname(path.dirname(fileURLToPath(import.meta.url))), 'models', 'dist', 'examples');
const entryOf = (name) => path.join(folder, name, 'main.js');
const names = readdirSync(folder).filter((name) => existsSync(entryOf(name)));
const [name = '--list', ...args] = process.argv.slice(2);

if (!names.includes(name)) {
  const width = Math.max(...names.map(({ length }) => length));
  for (const one of names) console.log(`${one.padEnd(width)}  ${(await import(pathToFileURL(entryOf(one)).href)).description}`);
  if (name !== '--list') console.error(`there is no example "${name}"`);
  process.exit(name === '--list' ? 0 : 2);
}

const stopping = new AbortController();
process.once('SIGINT', () => stopping.abort());
process.once('SIGTERM', () => stopping.abort());
const began = performance.now();
const say = (line) => console.log(`${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${line}`);
try {
  const { run } = await import(pathToFileURL(entryOf(name)).href);
  await run(args, { say, signal: stopping.signal });
} catch (error) {
  const code = typeof error?.code === 'string' ? `${error.code}: ` : '';
  console.error(`${code}${error.message}${error.hint === undefined ? '' : `\n  ${error.hint}`}`);
  process.exit(stopping.signal.aborted ? 130 : 1);
}
process.exit(0);
