import { parentPort, workerData } from 'node:worker_threads';

import { SerinError } from '@serin/protocol/errors';

import type { Batch, BatchSource } from '../data/batch-source.ts';
import { batchMaker } from './batch-order.ts';
import type { BatchAnswer, BatchRequest, BatchWorkerData } from './batch-messages.ts';

/** The thread that prepares batches: loads the module of the source and makes the batches it is asked for, in order. */
async function openSource({ module, settings }: BatchWorkerData): Promise<BatchSource> {
  const { createSource } = (await import(module)) as { createSource?: (settings: unknown) => BatchSource | Promise<BatchSource> };
  if (typeof createSource !== 'function') throw new SerinError('TRAINING_SOURCE_FAILED', { detail: `${module} exports no function createSource` });
  return createSource(settings);
}

/** A view of a part of a buffer is copied out: the rest is not ours to give away. */
function owned(batch: Batch): { batch: Batch; buffers: ArrayBuffer[] } {
  const buffers = new Set<ArrayBuffer>();
  const give = (tensors: Batch['feeds']): Batch['feeds'] =>
    Object.fromEntries(
      Object.entries(tensors).map(([name, tensor]) => {
        const { buffer, byteLength } = tensor.data;
        const whole = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;
        const data = whole ? tensor.data : tensor.data.slice();
        buffers.add(data.buffer as ArrayBuffer);
        return [name, { type: tensor.type, dims: tensor.dims, data } as typeof tensor];
      }),
    );
  return { batch: { feeds: give(batch.feeds), targets: give(batch.targets) }, buffers: [...buffers] };
}

function failure(thrown: unknown): BatchAnswer {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const stack = error.stack ?? '';
  if (error instanceof SerinError) return { kind: 'failed', code: error.code, detail: error.detail ?? '', hint: error.hint, stack };
  const hint = error.message.includes('detached') ? 'Arrays of a batch are given away: make fresh ones for every batch' : undefined;
  return { kind: 'failed', code: '', detail: error.message, hint, stack };
}

const port = parentPort;
if (port === null) throw new Error('batch-worker runs in a thread of its own');
const answer = (message: BatchAnswer, buffers: ArrayBuffer[] = []): void => port.postMessage(message, buffers);
const data = workerData as BatchWorkerData;
try {
  const source = await openSource(data);
  const make = batchMaker(source, data.batch, data.seed);
  let last = Promise.resolve();
  port.on('message', (request: BatchRequest) => {
    last = last
      .then(async () => {
        if (request.kind === 'close') {
          await source.close?.();
          port.close();
          return;
        }
        const { batch, buffers } = owned(await make(request.step));
        answer({ kind: 'made', step: request.step, batch }, buffers);
      })
      .catch((thrown: unknown) => answer(failure(thrown)));
  });
  answer({ kind: 'ready', examples: source.examples });
} catch (thrown) {
  answer(failure(thrown));
}
