import { mkdir } from 'node:fs/promises';
import { userInfo } from 'node:os';
import path from 'node:path';
import { mosquittoConfig } from './broker/mosquitto-config.ts';
import type { Config } from './config.ts';
import { writeFileDurably } from '@serin/node/files';
import { lockFolder } from '@serin/node/folder-lock';
import { hasKeys, openKeys } from './keys.ts';
import { systemClock } from './clock.ts';

/** Writes everything a Mosquitto broker needs to serve this fleet into a folder. Makes the fleet's keys where there are none yet. */
export async function writeMosquittoFiles(config: Config, folder: string): Promise<string> {
  const options = { dataDir: config.data, fleet: config.fleet, hosts: config.publicHosts, clock: systemClock };
  // A running server holds the lock; its keys may be read beside it, but not made.
  const lock = (await hasKeys(config.data)) ? undefined : await lockFolder(config.data);
  try {
    const keys = await openKeys(options);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const file = (name: string): string => path.join(folder, name);
    const paths = { caPath: file('ca.pem'), certPath: file('server.pem'), keyPath: file('server.key'), aclPath: file('access.acl') };
    const { conf, acl } = mosquittoConfig({ host: config.mqttHost, port: config.mqttPort, ...paths, runAs: userInfo().username });
    await writeFileDurably(paths.caPath, keys.caPem);
    await writeFileDurably(paths.certPath, keys.server.certPem);
    await writeFileDurably(paths.keyPath, keys.server.keyPem);
    await writeFileDurably(paths.aclPath, acl);
    await writeFileDurably(file('mosquitto.conf'), conf);
    return file('mosquitto.conf');
  } finally {
    await lock?.release();
  }
}
