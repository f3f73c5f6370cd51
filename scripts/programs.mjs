// Benchmarks and tortures: compiled programs in `<package>/dist/bench/` and `<package>/dist/torture/`, each exporting `description` and `run`.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** Name to file, sorted. A compiled file whose source is gone does not count. */
function discover(kind) {
  const { workspaces } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const found = workspaces.flatMap((workspace) => {
    const folder = path.join(root, workspace, 'dist', kind);
    if (!existsSync(folder)) return [];
    return readdirSync(folder)
      .filter((file) => file.endsWith('.js') && !file.endsWith('.test.js') && existsSync(path.join(root, workspace, 'src', kind, file.replace(/\.js$/, '.ts'))))
      .map((file) => [path.basename(file, '.js'), path.join(folder, file)]);
  });
  return new Map(found.toSorted(([left], [right]) => left.localeCompare(right)));
}

function usage(kind, options, names, complaint) {
  if (complaint !== undefined) console.error(`serin: ${complaint}`);
  console.error(`usage: npm run ${kind} -- --list | NAME${options}`);
  console.error(`names: ${[...names].join(', ') || '(none is built)'}`);
  process.exit(2);
}

const load = (file) => import(pathToFileURL(file).href);

/**
 * Reads the command line: NAME, the known flags with a value and those without. `--list` prints every name with its description and ends.
 * Anything unknown is named, and ends with 2.
 */
export async function choose(kind, valueFlags = [], switches = []) {
  const options = [' [--quick]', ...switches.map((flag) => ` [--${flag}]`), ...valueFlags.map((flag) => ` [--${flag} N]`)].join('');
  const programs = discover(kind);
  const fail = (complaint) => usage(kind, options, programs.keys(), complaint);
  const values = {};
  let name;
  let quick = false;
  const args = process.argv.slice(2);
  while (args.length > 0) {
    const arg = args.shift();
    const flag = valueFlags.find((candidate) => arg === `--${candidate}`);
    if (arg === '--list') {
      const width = Math.max(0, ...[...programs.keys()].map(({ length }) => length));
      for (const [title, file] of programs) console.log(`${title.padEnd(width)}  ${(await load(file)).description}`);
      process.exit(0);
    } else if (arg === '--quick') quick = true;
    else if (switches.some((flag) => arg === `--${flag}`)) values[arg.slice(2)] = true;
    else if (flag !== undefined) {
      const value = args.shift() ?? '';
      if (!/^\d{1,10}$/.test(value)) fail(`--${flag} wants a whole number, not "${value}"`);
      values[flag] = Number(value);
    } else if (arg.startsWith('-')) fail(`unknown option ${arg}`);
    else if (name === undefined) name = arg;
    else fail(`one name at a time, not also "${arg}"`);
  }
  if (name === undefined) fail('which one?');
  const file = programs.get(name);
  if (file === undefined) fail(`there is no ${kind} named "${name}"`);
  return { name, quick, values, program: await load(file) };
}

/** Columns of text; all but the first are set to the right. */
export function formatTable(rows) {
  const widths = [];
  for (const row of rows) for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, String(cell).length);
  return rows
    .map((row) =>
      row
        .map((cell, index) => (index === 0 ? String(cell).padEnd(widths[index]) : String(cell).padStart(widths[index])))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
