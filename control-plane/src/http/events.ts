import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { LiveEvent } from '@serin/protocol/api/events';
import type { Dataset } from '@serin/protocol/api/datasets';
import type { Run } from '@serin/protocol/api/runs';
import type { Alert, Device, Job, Overview, Rollout } from '@serin/protocol/api/resources';
import { SerinError } from '@serin/protocol/errors';
import type { Change, Changes } from '../changes.ts';
import type { Log } from '../log.ts';
import type { Service } from '../service.ts';

/** Where the objects of the stream come from: the rows, read when somebody listens. */
export interface EventSources {
  devices(ids: readonly string[]): Promise<Device[]>;
  rollout(id: string): Promise<Rollout | undefined>;
  job(id: string): Promise<Job | undefined>;
  alert(id: string): Promise<Alert | undefined>;
  dataset(name: string): Promise<Dataset | undefined>;
  run(id: string): Promise<Run | undefined>;
  overview(): Promise<Overview>;
}

export interface EventHubOptions {
  changes: Changes;
  sources: EventSources;
  log: Log;
  limits?: Partial<EventLimits>;
}

interface EventLimits {
  /** Least time between two batches: four a second. */
  batchMs: number;
  overviewMs: number;
  heartbeatMs: number;
  devicesPerBatch: number;
  eventsKept: number;
  streamsMax: number;
  /** Bytes waiting for a slow reader; beyond it the reader misses events and is told to look again. */
  backlogBytesMax: number;
}

const usualLimits: EventLimits = {
  batchMs: 250,
  overviewMs: 1_000,
  heartbeatMs: 15_000,
  devicesPerBatch: 250,
  eventsKept: 500,
  streamsMax: 200,
  backlogBytesMax: 1 << 20,
};

export interface EventHub extends Service {
  /** Follows the stream on a response until either side ends it. `isStillAllowed` is asked at every heartbeat. */
  follow(response: ServerResponse, lastEventId: string | undefined, isStillAllowed: () => Promise<boolean>): void;
  readonly streams: number;
}

interface Stream {
  response: ServerResponse;
  isLagging: boolean;
  isStillAllowed(): Promise<boolean>;
}

interface KeptEvent {
  number: number;
  text: string;
}

/** Fans changes out to browsers: whole objects, batched, resumable for a while, never waiting for a slow reader. */
export function createEventHub({ changes, sources, log, limits: given }: EventHubOptions): EventHub {
  const limits: EventLimits = { ...usualLimits, ...given };
  // Numbers mean nothing to another process: its streams begin with a reset.
  const epoch = randomBytes(6).toString('hex');
  const streams = new Set<Stream>();
  const sets = {
    device: new Set<string>(),
    rollout: new Set<string>(),
    job: new Set<string>(),
    alert: new Set<string>(),
    dataset: new Set<string>(),
    run: new Set<string>(),
  };
  const pending = { ...sets, models: false, sources: false };
  let kept: KeptEvent[] = [];
  let number = 0;
  let overviewDue = false;
  let overviewAt = Number.NEGATIVE_INFINITY;
  let flushing: Promise<void> = Promise.resolve();
  let flushTimer: NodeJS.Timeout | undefined;
  let heartbeat: NodeJS.Timeout | undefined;
  let unlisten: () => void = () => {};
  let isOpen = false;

  const format = (id: number, event: LiveEvent): string => `id: ${epoch}-${id}\ndata: ${JSON.stringify(event)}\n\n`;

  function write(stream: Stream, text: string): void {
    const { response } = stream;
    if (stream.isLagging) {
      if (response.writableLength > 0) return;
      stream.isLagging = false;
      response.write(format(number, { type: 'reset' }));
      return;
    }
    if (response.writableLength > limits.backlogBytesMax) stream.isLagging = true;
    else response.write(text);
  }

  function emit(event: LiveEvent): void {
    number++;
    const text = format(number, event);
    kept.push({ number, text });
    if (kept.length > limits.eventsKept) kept = kept.slice(-limits.eventsKept);
    for (const stream of streams) write(stream, text);
  }

  function note(change: Change): void {
    // Whoever comes later reads the rows first.
    if (streams.size === 0) return;
    if (change.type === 'models' || change.type === 'sources') pending[change.type] = true;
    else pending[change.type].add(change.id);
    overviewDue = true;
    schedule();
  }

  function schedule(): void {
    if (!isOpen || flushTimer !== undefined) return;
    flushTimer = setTimeout(() => {
      flushTimer = undefined;
      flushing = flush().catch((error: unknown) => log.warn({ err: error }, 'event batch failed'));
      void flushing.then(() => {
        if (hasPending()) schedule();
      });
    }, limits.batchMs);
  }

  const hasPending = (): boolean => pending.models || pending.sources || overviewDue || Object.values(sets).some(({ size }) => size > 0);

  function take(set: Set<string>, most: number): string[] {
    const ids = [...set].slice(0, most);
    for (const id of ids) set.delete(id);
    return ids;
  }

  async function flush(): Promise<void> {
    const ids = take(pending.device, limits.devicesPerBatch);
    if (ids.length > 0) {
      const devices = await sources.devices(ids);
      if (devices.length > 0) emit({ type: 'devices', devices });
    }
    await emitEach(pending.rollout, sources.rollout, (rollout) => ({ type: 'rollout', rollout }));
    await emitEach(pending.job, sources.job, (job) => ({ type: 'job', job }));
    await emitEach(pending.alert, sources.alert, (alert) => ({ type: 'alert', alert }));
    await emitEach(pending.dataset, sources.dataset, (dataset) => ({ type: 'dataset', dataset }));
    await emitEach(pending.run, sources.run, (run) => ({ type: 'run', run }));
    for (const type of ['models', 'sources'] as const) {
      if (!pending[type]) continue;
      pending[type] = false;
      emit({ type });
    }
    if (overviewDue && performance.now() - overviewAt >= limits.overviewMs) {
      overviewDue = false;
      overviewAt = performance.now();
      emit({ type: 'overview', overview: await sources.overview() });
    }
  }

  async function emitEach<Item>(set: Set<string>, find: (id: string) => Promise<Item | undefined>, wrap: (item: Item) => LiveEvent): Promise<void> {
    for (const id of take(set, 50)) {
      const item = await find(id);
      if (item !== undefined) emit(wrap(item));
    }
  }

  function catchUp(stream: Stream, lastEventId: string | undefined): void {
    const [known, last] = (lastEventId ?? '').split('-');
    const seen = known === epoch ? Number(last) : Number.NaN;
    const oldest = kept[0]?.number ?? number + 1;
    if (Number.isInteger(seen) && seen <= number && seen >= oldest - 1)
      for (const event of kept.filter((candidate) => candidate.number > seen)) write(stream, event.text);
    else if (lastEventId === undefined) stream.response.write(`id: ${epoch}-${number}\n: welcome\n\n`);
    else stream.response.write(format(number, { type: 'reset' }));
  }

  function leave(stream: Stream): void {
    streams.delete(stream);
    if (streams.size > 0) return;
    // Nobody listens, so nothing is read from the rows; whoever comes back starts over.
    kept = [];
    number++;
    pending.models = false;
    pending.sources = false;
    for (const set of Object.values(sets)) set.clear();
  }

  async function beat(): Promise<void> {
    for (const stream of streams) {
      const allowed = await stream.isStillAllowed().catch(() => true);
      if (allowed) write(stream, ': still here\n\n');
      else stream.response.end();
    }
  }

  return {
    name: 'events',
    get streams() {
      return streams.size;
    },
    follow(response, lastEventId, isStillAllowed) {
      if (!isOpen) throw new SerinError('UNAVAILABLE');
      if (streams.size >= limits.streamsMax) throw new SerinError('TOO_MANY_REQUESTS', { detail: `${limits.streamsMax} streams are open` });
      const stream: Stream = { response, isLagging: false, isStillAllowed };
      response.writeHead(200, {
        ...response.getHeaders(),
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
      });
      response.write('retry: 1000\n\n');
      catchUp(stream, lastEventId);
      streams.add(stream);
      response.once('close', () => leave(stream));
      response.on('error', () => response.destroy());
      overviewDue = true;
      schedule();
    },
    async start() {
      isOpen = true;
      unlisten = changes.listen(note);
      heartbeat = setInterval(() => void beat(), limits.heartbeatMs);
    },
    async stop() {
      isOpen = false;
      unlisten();
      clearInterval(heartbeat);
      clearTimeout(flushTimer);
      flushTimer = undefined;
      for (const stream of streams) stream.response.end();
      await flushing;
    },
  };
}
