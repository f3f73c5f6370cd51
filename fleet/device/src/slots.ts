import { z } from 'zod/mini';
import { digest, versionNumber, type Digest } from '@serin/protocol/ids';
import { variant } from '@serin/protocol/bundle/manifest';
import { measuredVariant } from '@serin/protocol/messages/reported';
import type { DocumentStore } from './ports.ts';

/** A bundle on this device: enough to load it without asking anybody. */
export const slot = z.object({
  version: versionNumber,
  manifest: digest,
  variant,
  /** Of its variants, when it was installed. */
  measured: z.optional(z.array(measuredVariant).check(z.maxLength(variant.options.length))),
  /** Its manifest and files, for the sweep. */
  blobs: z.array(digest).check(z.maxLength(70)),
});
export type Slot = z.infer<typeof slot>;

export const modelSlots = z.object({
  /** What runs after a restart, whatever else is unreadable. */
  committed: z.optional(slot),
  /** Serves on probation. */
  trial: z.optional(slot),
  /** Served before; going back to it needs no download. */
  previous: z.optional(slot),
});
export type ModelSlots = z.infer<typeof modelSlots>;

export const setTrial = (slots: ModelSlots, trial: Slot): ModelSlots => ({ ...slots, trial });

export function dropTrial({ trial: _trial, ...kept }: ModelSlots): ModelSlots {
  return kept;
}

/** The new one counts from here on; committing twice changes nothing. */
export function commit(slots: ModelSlots, chosen: Slot): ModelSlots {
  const before = slots.committed;
  if (before?.manifest === chosen.manifest) return dropTrial({ ...slots, committed: chosen });
  return { committed: chosen, ...(before === undefined ? {} : { previous: before }) };
}

/** The committed bundle cannot be read any more: what ran before it is better than nothing. */
export function fallBack(slots: ModelSlots): ModelSlots {
  return slots.previous === undefined ? {} : { committed: slots.previous };
}

export const blobsInUse = (slots: ModelSlots): Digest[] => [slots.committed, slots.trial, slots.previous].flatMap((one) => one?.blobs ?? []);

const documentName = 'slots';
const slotsDocument = z.object({ models: z.record(z.string().check(z.maxLength(63)), modelSlots) });

/** The pointers of all models in one document, replaced whole: a reader sees the old ones or the new ones. */
export class SlotBook {
  readonly #documents: DocumentStore;
  #models = new Map<string, ModelSlots>();
  #writes: Promise<void> = Promise.resolve();

  constructor(documents: DocumentStore) {
    this.#documents = documents;
  }

  /** False when the document was there but unreadable: then nothing is installed as far as this device knows. */
  async open(): Promise<boolean> {
    const text = await this.#documents.read(documentName);
    if (text === undefined) return true;
    const parsed = parseJson(slotsDocument, text);
    this.#models = new Map(Object.entries(parsed?.models ?? {}));
    return parsed !== undefined;
  }

  models(): string[] {
    return [...this.#models.keys()];
  }

  get(model: string): ModelSlots {
    return this.#models.get(model) ?? {};
  }

  /** Durable when it resolves; several models write one after the other. */
  async update(model: string, change: (slots: ModelSlots) => ModelSlots): Promise<void> {
    const turn = this.#writes.then(async () => {
      const models = new Map(this.#models);
      const changed = change(this.get(model));
      if (Object.keys(changed).length === 0) models.delete(model);
      else models.set(model, changed);
      await this.#documents.write(documentName, JSON.stringify({ models: Object.fromEntries(models) }));
      this.#models = models;
    });
    this.#writes = turn.catch(() => {});
    await turn;
  }
}

/** What a device wrote itself may have been damaged since: anything unexpected is undefined, never a guess. */
export function parseJson<Schema extends z.ZodMiniType>(schema: Schema, text: string): z.infer<Schema> | undefined {
  try {
    const parsed = schema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
