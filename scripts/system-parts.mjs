// Finds Chromium, PostgreSQL and Mosquitto, which tests use as they are. As root on Debian it installs what is missing; elsewhere it says how.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const onPath = (names, more = []) =>
  [...(process.env.PATH ?? '').split(path.delimiter), ...more]
    .flatMap((folder) => names.map((name) => path.join(folder, name)))
    .find((file) => existsSync(file));

const firstOf = (files) => files.find((file) => existsSync(file));

function postgresFolder() {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).toSorted((left, right) => Number(right) - Number(left)) : [];
  const packaged = firstOf(versions.map((version) => path.join(debian, version, 'bin', 'initdb')));
  const file = packaged ?? onPath(['initdb', 'initdb.exe'], ['/opt/homebrew/opt/postgresql/bin', '/usr/local/opt/postgresql/bin']);
  return file === undefined ? undefined : path.dirname(file);
}

/** What each part is for, where it is, and how people get it. The variable hands its place to the tests. */
const parts = [
  {
    name: 'chromium',
    title: 'Chromium',
    variable: 'SERIN_TEST_CHROMIUM',
    package: 'chromium',
    skips: 'the browser tests',
    hint: 'install Chromium, Chrome or Edge',
    find: () =>
      onPath(['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'microsoft-edge']) ??
      firstOf([
        '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
        '/Applications/Chromium.app/Contents/MacOS/Chromium',
        'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
        'C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe',
      ]),
  },
  {
    name: 'postgres',
    title: 'PostgreSQL',
    variable: 'SERIN_TEST_POSTGRES_BIN',
    package: 'postgresql',
    skips: 'the tests on PostgreSQL',
    hint: 'install PostgreSQL 15 or newer (Debian: postgresql, macOS: brew install postgresql)',
    find: postgresFolder,
  },
  {
    name: 'mosquitto',
    title: 'Mosquitto',
    variable: 'SERIN_TEST_MOSQUITTO',
    package: 'mosquitto',
    skips: 'the tests on an external broker',
    hint: 'install Mosquitto 2 (Debian: mosquitto, macOS: brew install mosquitto)',
    find: () => onPath(['mosquitto', 'mosquitto.exe'], ['/usr/sbin', '/usr/local/sbin', '/opt/homebrew/sbin']),
  },
  ...(process.platform === 'linux'
    ? [
        {
          name: 'strace',
          title: 'strace',
          variable: 'SERIN_TEST_STRACE',
          package: 'strace',
          skips: 'the test that counts disk syncs',
          hint: 'install strace',
          find: () => onPath(['strace']),
        },
      ]
    : []),
];

/** A disk of a few megabytes that can be filled: only root on Linux may mount one, and not in every container. */
function canMount() {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const folder = mkdtempSync(path.join(tmpdir(), 'serin-mount-'));
  const isMounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'serin-probe', folder]).status === 0;
  if (isMounted) spawnSync('umount', [folder]);
  rmSync(folder, { recursive: true, force: true });
  return isMounted;
}

const canInstall = () => process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');

/** Debian starts the services it installs; a policy file tells it not to, and goes away afterwards unless it was there before. */
function installPackages(names) {
  const policy = '/usr/sbin/policy-rc.d';
  const isOurs = !existsSync(policy);
  if (isOurs) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const run = (...args) => spawnSync('apt-get', args, { stdio: ['ignore', 2, 2], env, timeout: 480_000 }).status === 0;
  try {
    const install = () => run('install', '-y', '-qq', '--no-install-recommends', ...names);
    return install() || (run('update', '-qq') && install());
  } finally {
    if (isOurs) rmSync(policy, { force: true });
  }
}

/**
 * Makes sure of the parts as far as this machine allows. Returns what the tests must know: where each part is,
 * and in SERIN_TEST_MISSING the names of those that are not there, whose suites skip themselves.
 */
export function provideSystemParts() {
  const absent = () => parts.filter((part) => part.find() === undefined);
  const wanted = absent();
  if (wanted.length > 0 && canInstall()) {
    console.error(`serin: installing ${wanted.map(({ title }) => title).join(', ')} with apt-get for the tests that need it ...`);
    installPackages(wanted.map((part) => part.package));
  }
  const missing = absent();
  for (const { title, skips, hint } of missing) console.error(`serin: !!! ${title} is not installed: skipping ${skips}. To run them, ${hint} !!!`);
  const found = parts.flatMap((part) => {
    const place = part.find();
    return place === undefined ? [] : [[part.variable, place]];
  });
  const names = missing.map(({ name }) => name);
  if (!canMount()) {
    console.error('serin: !!! this user cannot mount a small disk: skipping the tests that fill one. To run them, be root on Linux !!!');
    names.push('mount');
  }
  return { ...Object.fromEntries(found), SERIN_TEST_MISSING: names.join(',') };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { SERIN_TEST_MISSING, ...places } = provideSystemParts();
  for (const [name, place] of Object.entries(places)) console.log(`${name}=${place}`);
  process.exitCode = SERIN_TEST_MISSING === '' ? 0 : 1;
}
