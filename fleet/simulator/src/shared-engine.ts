import { createHash } from 'node:crypto';
import type { MeasuredBundles } from '@serin/device/local-runner';
import type { Engine, EngineSession } from '@serin/device/ports';

interface Shared {
  session: Promise<EngineSession>;
  users: number;
}

/** One session for each model, however many devices run it: that is what makes a thousand of them small. */
export class SharedEngine implements Engine {
  readonly name: string;
  /** A thousand devices that install the same version measure it once. */
  readonly measured: MeasuredBundles = new Map();
  readonly #engine: Engine;
  readonly #shared = new Map<string, Shared>();

  constructor(engine: Engine) {
    this.name = engine.name;
    this.#engine = engine;
  }

  /** Models loaded now. */
  get models(): number {
    return this.#shared.size;
  }

  async open(model: Uint8Array): Promise<EngineSession> {
    const digest = createHash('sha256').update(model).digest('hex');
    const shared = this.#shared.get(digest) ?? { session: this.#engine.open(model), users: 0 };
    this.#shared.set(digest, shared);
    shared.users++;
    let isOpen = true;
    const close = async (): Promise<void> => {
      if (!isOpen) return;
      isOpen = false;
      shared.users--;
      if (shared.users > 0) return;
      if (this.#shared.get(digest) === shared) this.#shared.delete(digest);
      const session = await shared.session.catch(() => undefined);
      await session?.close();
    };
    try {
      const session = await shared.session;
      return { run: (inputs) => session.run(inputs), close };
    } catch (error) {
      await close();
      throw error;
    }
  }
}
