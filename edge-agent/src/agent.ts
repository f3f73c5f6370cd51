import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { Device } from '@serin/device/device';
import type { AskOptions, Clock, Log as DeviceLog } from '@serin/device/ports';
import type { DataRecord } from '@serin/inference/records';
import { asSerinError, describeError, SerinError } from '@serin/protocol/errors';
import { bootId, type DeviceId } from '@serin/protocol/ids';
import { productVersion } from '@serin/protocol/version';
import type { Config } from './config.ts';
import { openDataFolder } from './data-folder.ts';
import { openBundleStore } from './disk/bundle-store.ts';
import { openDocumentStore } from './disk/document-store.ts';
import { openSpool } from './disk/spool.ts';
import { startHealth } from './health.ts';
import { createHello } from './hello.ts';
import { openIdentityStore, validityOf, type Identity, type IdentityStore } from './identity.ts';
import { createProcessRunner } from './inference/runner.ts';
import { joinFleet, renewIdentity } from './join.ts';
import { createLink } from './link.ts';
import type { Log } from './log.ts';
import { createRenewal } from './renewal.ts';
import { createStamp } from './stamp.ts';
import { createTarget } from './target.ts';
import { createTally, tallied } from './tally.ts';
import { createTransfer } from './transfer.ts';

export interface Agent {
  device: DeviceId;
  httpPort: number | undefined;
  stop(): Promise<void>;
}

export interface AgentOptions {
  config: Config;
  clock: Clock;
  random: () => number;
  log: Log;
  /** Gives up what start has not finished. */
  signal: AbortSignal;
}

const joinAttemptsMax = 6;
/** A frame that waited for two others to be taken is late. */
const deadlineFrames = 2;

async function readToken({ join, token, tokenFile }: Config): Promise<string> {
  if (token !== undefined) return token;
  try {
    return await (tokenFile === '-' ? text(process.stdin) : readFile(tokenFile ?? '', 'utf8'));
  } catch (cause) {
    throw new SerinError('JOIN_TOKEN_MALFORMED', { detail: `${tokenFile ?? join} cannot be read`, hint: 'Name a file with the join token', cause });
  }
}

/** A server that is not up yet is waited for a while; anything it says is final. */
async function join({ config, clock, random, log, signal }: AgentOptions, store: IdentityStore, url: string): Promise<Identity> {
  const request = { url, token: await readToken(config), name: config.name, hello: createHello(config.site, true), keyPem: await store.keyForJoining() };
  for (let attempt = 1; ; attempt++) {
    try {
      const identity = await joinFleet(request);
      await store.save(identity);
      log.info({ fleet: identity.fleet, device: identity.device, url }, 'joined');
      return identity;
    } catch (thrown) {
      const error = asSerinError(thrown, 'SERVER_UNREACHABLE');
      if (error.code !== 'SERVER_UNREACHABLE' || attempt >= joinAttemptsMax) throw error;
      log.warn({ code: error.code, detail: error.detail, hint: error.hint, attempt }, describeError(error));
      await clock.sleep(500 * 2 ** attempt * (0.5 + random() / 2), signal);
      signal.throwIfAborted();
    }
  }
}

async function identify(options: AgentOptions, store: IdentityStore): Promise<Identity> {
  const { config, clock, log } = options;
  const known = await store.load();
  if (known === undefined) {
    if (config.join === undefined) throw new SerinError('NOT_JOINED');
    return join(options, store, config.join);
  }
  const { until } = validityOf(known.certificatePem);
  if (until > clock.now()) {
    if (config.join !== undefined) log.info({ device: known.device }, 'joined before; --join is not used');
    return known;
  }
  if (config.join !== undefined) return join(options, store, config.join);
  // Without the server it still does its work.
  log.error({ code: 'NOT_JOINED', until: new Date(until).toISOString(), hint: 'Join again with --join and a new token' }, 'certificate expired');
  return known;
}

/** Everything an agent is made of, put together and started. A start that fails takes back what it began. */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { config, clock, random, log, signal } = options;
  const stops: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (let next = stops.pop(); next !== undefined; next = stops.pop()) {
      await next().catch((error: unknown) => log.error({ detail: asSerinError(error).message }, 'a part did not stop'));
    }
  };
  try {
    const lock = await openDataFolder(config.data);
    stops.push(() => lock.release());
    const identities = await openIdentityStore(path.join(config.data, 'identity'));
    let identity = await identify(options, identities);
    signal.throwIfAborted();

    const store = await openBundleStore({ folder: path.join(config.data, 'bundles'), bytesMax: config.bundleBytesMax, now: () => clock.now() });
    const documents = await openDocumentStore(path.join(config.data, 'documents'));
    const spool = await openSpool({ folder: path.join(config.data, 'spool'), bytesMax: config.spoolBytesMax });
    stops.push(() => spool.close());

    const boot = bootId.parse(randomBytes(9).toString('base64url'));
    const shared = { identity: () => identity, stamp: createStamp(boot, clock), clock, random, log };
    const transfer = createTransfer(shared);
    stops.push(() => transfer.stop());
    const link = createLink({ ...shared, hello: createHello(config.site, true), boot, transferRefused: (xfer, code) => transfer.refused(xfer, code) });
    const settings = { fps: config.fps, sceneFile: config.scene, seed: `${identity.device} ${boot}`, deadlineMs: (deadlineFrames * 1000) / config.fps };
    const runner = createProcessRunner({ settings, clock, log });
    const tally = createTally();
    const deviceLog: DeviceLog = (level, event, fields = {}) => log[level](fields, event);
    const device = new Device({
      self: { fleet: identity.fleet, device: identity.device },
      boot,
      keyset: identity.keyset,
      link,
      source: transfer,
      store,
      documents,
      spool,
      runner: tallied(runner, tally),
      clock,
      random,
      target: createTarget(),
      candidates: { allowed: config.variantPreference, countMax: config.candidatesMax, bytesMax: config.candidateBytesMax },
      agentVersion: productVersion,
      log: deviceLog,
    });
    stops.push(() => device.stop());
    await device.start();

    const renewal = createRenewal({
      ...shared,
      renew: renewIdentity,
      async adopt(renewed) {
        await identities.save(renewed);
        identity = renewed;
      },
    });
    renewal.start();
    stops.push(() => renewal.stop());

    let httpPort: number | undefined;
    if (config.httpPort !== undefined) {
      const sources = {
        device: identity.device,
        isConnected: () => link.isConnected(),
        models: () => device.report().models,
        tally,
        spool,
        restarts: () => runner.restarts(),
        ask: (model: string, record: DataRecord, options: AskOptions) => runner.ask(model, record, options),
      };
      const health = await startHealth(config.httpPort, sources);
      stops.push(() => health.stop());
      httpPort = health.port;
    }
    log.info({ device: identity.device, fleet: identity.fleet, boot, data: config.data, ...(httpPort === undefined ? {} : { httpPort }) }, 'agent started');
    return { device: identity.device, httpPort, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
