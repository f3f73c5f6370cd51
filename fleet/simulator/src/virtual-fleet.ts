import path from 'node:path';
import { freemem } from 'node:os';
import type { Clock } from '@serin/device/ports';
import { openIdentityStore, renewAt, validityOf, type Identity, type IdentityStore } from '@serin/edge-agent/identity';
import { createOrtEngine } from '@serin/edge-agent/engine';
import { joinFleet, renewIdentity } from '@serin/edge-agent/join';
import type { Log } from '@serin/edge-agent/log';
import { asSerinError, SerinError } from '@serin/protocol/errors';
import type { DeviceId } from '@serin/protocol/ids';
import type { Hello } from '@serin/protocol/messages/status';
import { productVersion, protocolVersion } from '@serin/protocol/version';
import { deviceName, type SimulatorConfig } from './config.ts';
import { SharedEngine } from './shared-engine.ts';
import { VirtualDevice } from './virtual-device.ts';

export interface VirtualFleetOptions {
  config: SimulatorConfig;
  /** Join tokens, taken in order by devices that have no certificate. */
  tokens: readonly string[];
  clock: Clock;
  random: () => number;
  /** For the device of that name. */
  logFor: (device: string) => Log;
}

/** Joining and connecting cost two handshakes each: a few devices at a time do not disturb those that infer already. */
const startsAtOnce = 4;
const renewalCheckMs = 3_600_000;

export const helloOf = (site: string): Hello => ({
  protocol: protocolVersion,
  agent: productVersion,
  class: 'virtual',
  os: process.platform,
  arch: process.arch,
  cpu: 'virtual',
  memoryBytes: freemem(),
  runtime: `node ${process.versions.node}`,
  site,
  synthetic: true,
});

interface Member {
  device: VirtualDevice;
  store: IdentityStore;
  identity: Identity;
}

/** Many virtual devices in this process: each with its own certificate and connections, all with one engine. */
export class VirtualFleet {
  readonly #options: VirtualFleetOptions;
  readonly #engine = new SharedEngine(createOrtEngine());
  readonly #members = new Map<DeviceId, Member>();
  readonly #stopping = new AbortController();
  #renewals: Promise<void> | undefined;

  constructor(options: VirtualFleetOptions) {
    this.#options = options;
  }

  /** Resolves when every device is connected. */
  async start(): Promise<void> {
    const { config, tokens } = this.#options;
    const names = Array.from({ length: config.devices }, (_, index) => deviceName(config.prefix, index));
    const stores = new Map<DeviceId, { store: IdentityStore; known: Identity | undefined; token: string | undefined }>();
    // A token for each device goes by position, since it may be made for one name; fewer go to those that need one.
    const spare = tokens.length < names.length ? [...tokens] : undefined;
    for (const [index, name] of names.entries()) {
      const store = await openIdentityStore(path.join(config.data, name));
      const known = await store.load();
      const token = known === undefined ? (spare === undefined ? tokens[index] : spare.shift()) : undefined;
      stores.set(name, { store, known, token });
    }
    const waiting = [...stores];
    const startNext = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined && !this.#stopping.signal.aborted; next = waiting.shift()) {
        const [name, { store, known, token }] = next;
        await this.#startOne(name, store, known ?? (await this.#join(name, store, token)));
      }
    };
    await Promise.all(Array.from({ length: startsAtOnce }, startNext));
    this.#renewals = this.#keepCertificates();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([...this.#members.values()].map(({ device }) => device.stop()));
    await this.#renewals;
  }

  device(name: DeviceId): VirtualDevice {
    const member = this.#members.get(name);
    if (member === undefined) throw new SerinError('NOT_FOUND', { detail: `no virtual device ${name}` });
    return member.device;
  }

  async #join(name: DeviceId, store: IdentityStore, token: string | undefined): Promise<Identity> {
    const { join, site } = this.#options.config;
    if (join === undefined || token === undefined)
      throw new SerinError('NOT_JOINED', { detail: name, hint: 'Give --join and a --tokens-file with a token for every new device' });
    const identity = await joinFleet({ url: join, token, name, hello: helloOf(site), keyPem: await store.keyForJoining() });
    await store.save(identity);
    this.#options.logFor(name).info({ fleet: identity.fleet }, 'joined');
    return identity;
  }

  async #startOne(name: DeviceId, store: IdentityStore, identity: Identity): Promise<void> {
    const { config, clock, random, logFor } = this.#options;
    const member: Member = {
      store,
      identity,
      device: new VirtualDevice({
        identity: () => member.identity,
        hello: helloOf(config.site),
        engine: this.#engine,
        fps: config.fps,
        sceneFile: config.scene,
        seed: String(config.seed),
        clock,
        random,
        log: logFor(name),
      }),
    };
    this.#members.set(name, member);
    await member.device.start();
  }

  async #keepCertificates(): Promise<void> {
    const { clock, logFor } = this.#options;
    while (!this.#stopping.signal.aborted) {
      for (const [name, member] of this.#members) {
        if (renewAt(validityOf(member.identity.certificatePem)) > clock.now()) continue;
        try {
          member.identity = await renewIdentity(member.identity);
          await member.store.save(member.identity);
          logFor(name).info({}, 'certificate renewed');
        } catch (thrown) {
          const { code, message } = asSerinError(thrown);
          logFor(name).warn({ code, detail: message }, 'certificate not renewed; tried again later');
        }
      }
      await clock.sleep(renewalCheckMs, this.#stopping.signal);
    }
  }
}
