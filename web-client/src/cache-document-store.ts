import type { DocumentStore } from '@serin/device/ports';

/** Keys of the Cache API are addresses; nothing is ever fetched from these. */
const keyOf = (name: string): string => `/serin-cache/documents/${name}`;

/** Small documents beside the blobs of a cache. What cannot be kept is not: a page goes on without. */
export class CacheDocumentStore implements DocumentStore {
  readonly #cache: Cache;
  #writes: Promise<void> = Promise.resolve();

  constructor(cache: Cache) {
    this.#cache = cache;
  }

  async read(name: string): Promise<string | undefined> {
    return (await this.#cache.match(keyOf(name)))?.text();
  }

  async write(name: string, text: string): Promise<void> {
    const turn = this.#writes.then(() => this.#cache.put(keyOf(name), new Response(text)));
    this.#writes = turn.catch(() => {});
    await turn;
  }
}
