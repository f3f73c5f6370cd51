import { Device } from '@serin/device/device';
import { createLocalRunner } from '@serin/device/local-runner';
import { createMemoryBundleStore, emptyMemoryBlobs } from '@serin/device/memory/bundle-store';
import { createMemoryDocumentStore } from '@serin/device/memory/document-store';
import { createMemorySpool } from '@serin/device/memory/spool';
import type { Clock, ControlHandlers } from '@serin/device/ports';
import type { Identity } from '@serin/edge-agent/identity';
import { createLink, type Link } from '@serin/edge-agent/link';
import type { Log } from '@serin/edge-agent/log';
import { openBinCamera } from '@serin/edge-agent/sources/bin-camera';
import { createTarget } from '@serin/edge-agent/target';
import { createStamp } from '@serin/edge-agent/stamp';
import { createTransfer, type Transfer } from '@serin/edge-agent/transfer';
import { seededRandom } from '@serin/inference/random';
import { SerinError } from '@serin/protocol/errors';
import { bootId } from '@serin/protocol/ids';
import type { Hello } from '@serin/protocol/messages/status';
import { productVersion } from '@serin/protocol/version';
import type { SharedEngine } from './shared-engine.ts';

export interface VirtualDeviceOptions {
  identity: () => Identity;
  hello: Hello;
  engine: SharedEngine;
  fps: number;
  sceneFile: string | undefined;
  /** What its camera renders follows from this. */
  seed: string;
  clock: Clock;
  random: () => number;
  log: Log;
}

/** Memory a device may use: two bundles, and telemetry of some hours without a connection. */
const bundleBytesMax = 64 * 1024 * 1024;
const spoolBytesMax = 2 * 1024 * 1024;
/** A frame that waited for two others to be taken is late. */
const deadlineFrames = 2;

interface Running {
  device: Device;
  link: Link;
  transfer: Transfer;
  closeCamera: () => Promise<void>;
  /** Until it is connected for the first time, or stopped. */
  connected: Promise<void>;
  giveUp: () => void;
  /** Fires while the network is away. */
  away: AbortController;
  handlers: () => ControlHandlers | undefined;
}

/**
 * One device of the fleet with memory for disks and a rendered camera, all else being the agent's own. What it
 * keeps outlives `restart`, as a disk would; it is gone with the process.
 */
export class VirtualDevice {
  readonly #options: VirtualDeviceOptions;
  readonly #kept = emptyMemoryBlobs();
  readonly #documents = new Map<string, string>();
  readonly #spool = createMemorySpool({ bytesMax: spoolBytesMax });
  #running: Running | undefined;
  #boots = 0;

  constructor(options: VirtualDeviceOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.identity().device;
  }

  /** Resolves when it is connected (or stopped meanwhile); it infers and reconnects from then on by itself. */
  async start(): Promise<void> {
    if (this.#running !== undefined) return;
    const running = this.#assemble();
    this.#running = running;
    await running.device.start();
    await running.connected;
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    if (running === undefined) return;
    running.giveUp();
    running.away.abort();
    await running.device.stop();
    await running.transfer.stop();
    await running.closeCamera();
  }

  /** Power off and on: a new boot with what was kept. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** No network for a while: frames go on, windows wait in the spool, downloads stall and are resumed. */
  async goOffline(durationMs: number): Promise<void> {
    const running = this.#running;
    const handlers = running?.handlers();
    if (running === undefined || handlers === undefined) return;
    running.away.abort();
    await running.link.stop();
    await this.#options.clock.sleep(durationMs);
    if (this.#running !== running) return;
    running.away = new AbortController();
    await running.link.start(handlers);
  }

  #assemble(): Running {
    const { identity, hello, engine, fps, sceneFile, seed, clock, random, log } = this.#options;
    const { fleet, device: self, keyset } = identity();
    const boot = bootId.parse(`${Math.floor(random() * 2 ** 48).toString(36)}-${this.#boots++}`);
    const stamp = createStamp(boot, clock);
    const chance = seededRandom(`${seed}/${self}`);
    const transfer = createTransfer({ identity, stamp, clock, random, log });
    const link = createLink({ identity, hello, boot, stamp, transferRefused: (xfer, code) => transfer.refused(xfer, code), clock, random, log });
    const camera = openBinCamera({ fps, sceneFile, clock, random: chance.fork(`camera ${this.#boots}`), log });
    const runner = createLocalRunner({
      engine,
      source: camera,
      clock,
      random: chance.fork('samples'),
      deadlineMs: (deadlineFrames * 1000) / fps,
      measuredBefore: engine.measured,
      onFault: (error) => log.warn({ detail: String(error) }, 'frame failed'),
    });

    let handlers: ControlHandlers | undefined;
    let onConnected = (): void => {};
    const connected = new Promise<void>((resolve) => {
      onConnected = resolve;
    });
    const device = new Device({
      self: { fleet, device: self },
      boot,
      keyset,
      link: {
        ...link,
        start: (given) => {
          handlers = {
            ...given,
            connected(isConnected) {
              given.connected(isConnected);
              if (isConnected) onConnected();
            },
          };
          return link.start(handlers);
        },
      },
      source: {
        async fetchChunks(blob, wanted, sink, signal) {
          const { away } = running;
          try {
            await transfer.fetchChunks(blob, wanted, sink, AbortSignal.any([signal, away.signal]));
          } catch (error) {
            throw away.signal.aborted && !signal.aborted ? new SerinError('TRANSFER_STALLED', { detail: 'the network is away', cause: error }) : error;
          }
        },
      },
      store: createMemoryBundleStore({ bytesMax: bundleBytesMax, kept: this.#kept }),
      documents: createMemoryDocumentStore(this.#documents),
      spool: this.#spool,
      runner,
      clock,
      random,
      target: createTarget(),
      agentVersion: productVersion,
      // Every window of every device is acknowledged: at the usual level that would be all the log says.
      log: (level, event, fields = {}) => log[event === 'telemetry acknowledged' ? 'debug' : level](fields, event),
    });
    const running: Running = {
      device,
      link,
      transfer,
      closeCamera: () => camera.close(),
      connected,
      giveUp: onConnected,
      away: new AbortController(),
      handlers: () => handlers,
    };
    return running;
  }
}
