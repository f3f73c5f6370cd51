import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const { packages } = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8'));

/** As Node looks it up: beside the package, then in every folder above. */
function findInstalled(from, name) {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    const place = `${folder}${folder === '' ? '' : '/'}node_modules/${name}`;
    if (place in packages) return place;
    if (folder === '') return undefined;
  }
}

test('the lockfile has the packages of every platform, else `npm ci` refuses it on a fresh clone', () => {
  const missing = Object.entries(packages).flatMap(([place, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies)
      .filter((name) => findInstalled(place, name) === undefined)
      .map((name) => `${name} of ${place}`),
  );
  expect(missing).toEqual([]);
});

test('the lockfile names no host', () => {
  const hosts = Object.values(packages).filter(({ resolved }) => /^[a-z+]+:/.test(resolved ?? ''));
  expect(hosts).toEqual([]);
});
