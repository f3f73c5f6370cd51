import type { DocumentStore } from '../ports.ts';

/** Documents that last as long as the map they are kept in. */
export function createMemoryDocumentStore(documents = new Map<string, string>()): DocumentStore {
  return {
    read: (name) => Promise.resolve(documents.get(name)),
    write(name, text) {
      documents.set(name, text);
      return Promise.resolve();
    },
  };
}
