import { SerinError } from '@serin/protocol/errors';

/** The parts of a browser that decide whether a model can be verified and run in it. */
export interface BrowserScope {
  isSecureContext: boolean;
  crossOriginIsolated: boolean;
  crypto: Crypto;
  hardwareConcurrency: number;
}

export function browserScope(): BrowserScope {
  const { isSecureContext, crossOriginIsolated, crypto, navigator } = globalThis;
  return { isSecureContext, crossOriginIsolated, crypto, hardwareConcurrency: navigator.hardwareConcurrency };
}

const threadsMax = 4;

export interface Backend {
  name: 'wasm';
  threads: number;
  /** In words, for the person who wonders why. */
  reason: string;
}

/** int8 runs on WASM; threads only where the embedder isolated the page, which is never required. */
export function chooseBackend(scope: BrowserScope): Backend {
  if (!scope.crossOriginIsolated) return { name: 'wasm', threads: 1, reason: 'one thread: the page is not cross-origin isolated' };
  const threads = Math.max(1, Math.min(threadsMax, scope.hardwareConcurrency));
  return { name: 'wasm', threads, reason: `${threads} threads: the page is cross-origin isolated` };
}

/** Any 32 bytes: importing a raw key is enough to tell whether the algorithm is there. */
const anyKey = new Uint8Array(32).fill(1);

/** Throws with the reason when nothing could be verified here: then nothing may run either. */
export async function requireVerification({ isSecureContext, crypto }: BrowserScope): Promise<void> {
  if (!isSecureContext || crypto.subtle === undefined) throw new SerinError('CONTEXT_INSECURE');
  try {
    await crypto.subtle.importKey('raw', anyKey, 'Ed25519', false, ['verify']);
  } catch (cause) {
    throw new SerinError('BROWSER_UNSUPPORTED', { detail: 'Ed25519 signatures in WebCrypto', cause });
  }
  if (typeof WebAssembly === 'undefined') throw new SerinError('BROWSER_UNSUPPORTED', { detail: 'WebAssembly' });
}
