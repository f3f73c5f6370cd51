import { createHash } from 'node:crypto';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { SerinError } from '@serin/protocol/errors';
import type { Digest } from '@serin/protocol/ids';

/**
 * What a module depends on, as one digest: the text of every file of ours that it imports, directly or not, and the versions of
 * packages. It works on compiled files and on sources, and never on a mixture: a module finds its packages as it would when it runs.
 */

/** Imports of types vanish when the program is compiled, and modules that are loaded on demand are named by who asks. */
const importPattern = /^\s*(?:import|export)\s+(?!type\b)(?:[^'"();]*?\bfrom\s*)?['"]([^'"]+)['"]/gm;
/** Threads and processes that a module starts. */
const startedPattern = /new URL\(\s*['"](\.{1,2}\/[^'"]+\.(?:[cm]?[jt]s))['"]\s*,\s*import\.meta\.url\s*\)/g;

interface FileFacts {
  readonly digest: string;
  /** Absolute files, and packages as `name@version`. */
  readonly files: readonly string[];
  readonly packages: readonly string[];
}

const known = new Map<string, FileFacts>();

/** `modules` by URL; the order in which they are named does not matter. */
export function codeDigest(modules: readonly (string | URL)[]): Digest {
  const seen = new Map<string, string>();
  const packages = new Set<string>();
  const open = modules.map((module) => realpathSync(fileURLToPath(module)));
  const top = commonFolder(open);
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (seen.has(file)) continue;
    const facts = factsOf(file);
    seen.set(file, facts.digest);
    open.push(...facts.files);
    for (const name of facts.packages) packages.add(name);
  }
  const hash = createHash('sha256');
  for (const [file, digest] of [...seen]
    .map(([file, digest]) => [namedWithin(file, top), digest] as const)
    .toSorted(([one], [other]) => (one < other ? -1 : 1))) {
    hash.update(`${file} ${digest}\n`);
  }
  for (const name of [...packages].toSorted()) hash.update(`${name}\n`);
  return hash.digest('hex') as Digest;
}

/** Names must not hold where the program is installed. */
const namedWithin = (file: string, top: string): string => path.relative(top, file).split(path.sep).join('/');
const commonFolder = (files: readonly string[]): string => path.dirname([...files].toSorted()[0] ?? path.sep);

function factsOf(file: string): FileFacts {
  const found = known.get(file);
  if (found !== undefined) return found;
  const text = readFileSync(file, 'utf8');
  const files: string[] = [];
  const packages: string[] = [];
  for (const [, specifier = ''] of [...text.matchAll(importPattern), ...text.matchAll(startedPattern)]) {
    if (specifier.startsWith('node:')) continue;
    if (specifier.startsWith('.')) files.push(localFile(file, specifier));
    else if (specifier.startsWith('@serin/')) files.push(ownFile(file, specifier));
    else packages.push(packageVersion(file, specifier));
  }
  const facts = { digest: createHash('sha256').update(text).digest('hex'), files, packages };
  known.set(file, facts);
  return facts;
}

/** A thread may be named as it is called once compiled. */
function localFile(from: string, specifier: string): string {
  const wanted = path.resolve(path.dirname(from), specifier);
  const candidates = [wanted, wanted.replace(/\.js$/, '.ts')];
  const file = candidates.find((candidate) => existsSync(candidate));
  if (file === undefined) throw missing(from, specifier);
  return realpathSync(file);
}

/** `@serin/protocol/errors`, in the form the asking file has itself: source or compiled. */
function ownFile(from: string, specifier: string): string {
  const [, name = '', ...rest] = specifier.split('/');
  const folder = packageFolder(from, `@serin/${name}`);
  const isSource = /\.tsx?$/.test(from);
  const file = path.join(folder, isSource ? 'src' : 'dist', `${rest.join('/')}${isSource ? '.ts' : '.js'}`);
  if (!existsSync(file)) throw missing(from, specifier);
  return file;
}

function packageVersion(from: string, specifier: string): string {
  const parts = specifier.split('/');
  const name = parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
  const { version } = JSON.parse(readFileSync(path.join(packageFolder(from, name), 'package.json'), 'utf8')) as { version?: string };
  return `${name}@${version ?? 'unknown'}`;
}

function packageFolder(from: string, name: string): string {
  for (let folder = path.dirname(from); ; folder = path.dirname(folder)) {
    const candidate = path.join(folder, 'node_modules', name);
    if (existsSync(path.join(candidate, 'package.json'))) return realpathSync(candidate);
    if (folder === path.dirname(folder)) throw missing(from, name);
  }
}

const missing = (from: string, specifier: string): SerinError =>
  new SerinError('START_FAILED', { detail: `${path.basename(from)} imports ${specifier}, which is not there`, hint: 'Build the program again' });
