import { InferenceSession, Tensor, env } from 'onnxruntime-web/wasm';
import { asSerinError, SerinError, type ErrorCode } from '@serin/protocol/errors';
import type { EngineTensor } from '@serin/device/ports';
import type { EngineReply, EngineRequest, EngineResults, EngineOperation } from './engine-protocol.ts';

/** The worker's side of the global scope; the DOM library of the project knows only a window's. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<EngineRequest>) => void) | null;
  postMessage(reply: EngineReply): void;
}
const scope = globalThis as unknown as WorkerScope;

const sessions = new Map<number, InferenceSession>();
let sessionsOpened = 0;

function start(runtimeUrl: string, threads: number): null {
  env.wasm.wasmPaths = runtimeUrl;
  env.wasm.numThreads = threads;
  env.wasm.proxy = false;
  return null;
}

async function open(model: Uint8Array): Promise<number> {
  const session = await InferenceSession.create(model, { executionProviders: ['wasm'], intraOpNumThreads: env.wasm.numThreads ?? 1 });
  sessionsOpened++;
  sessions.set(sessionsOpened, session);
  return sessionsOpened;
}

const find = (id: number): InferenceSession => {
  const session = sessions.get(id);
  if (session === undefined) throw new SerinError('INTERNAL', { detail: `inference session ${id} is closed` });
  return session;
};

async function run(id: number, inputs: Record<string, EngineTensor>): Promise<Record<string, EngineTensor>> {
  const feeds: Record<string, Tensor> = {};
  for (const [name, { dtype, data, shape }] of Object.entries(inputs)) feeds[name] = new Tensor(dtype as Tensor.Type, data as never, [...shape]);
  const outputs = await find(id).run(feeds);
  const results: Record<string, EngineTensor> = {};
  for (const [name, { type, dims, data }] of Object.entries(outputs)) results[name] = { dtype: type, shape: [...dims], data: data as EngineTensor['data'] };
  return results;
}

async function close(id: number): Promise<null> {
  const session = sessions.get(id);
  sessions.delete(id);
  await session?.release();
  return null;
}

function answer(request: EngineRequest): Promise<EngineResults[EngineOperation]> | null {
  switch (request.op) {
    case 'start':
      return start(request.runtimeUrl, request.threads);
    case 'open':
      return open(request.model);
    case 'run':
      return run(request.session, request.inputs);
    case 'close':
      return close(request.session);
  }
}

const fallbackCode: Record<EngineOperation, ErrorCode> = { start: 'INTERNAL', open: 'MODEL_LOAD_FAILED', run: 'INTERNAL', close: 'INTERNAL' };

scope.onmessage = ({ data: request }) => {
  void Promise.resolve()
    .then(() => answer(request))
    .then(
      (result) => scope.postMessage({ id: request.id, result }),
      (thrown: unknown) => {
        const { code, detail, message } = asSerinError(thrown, fallbackCode[request.op]);
        scope.postMessage({ id: request.id, code, detail: (detail ?? message).slice(0, 500) });
      },
    );
};
