import { SerinError } from '@serin/protocol/errors';
import type { FleetId } from '@serin/protocol/ids';
import { acceptKeyset, trustFirstKeyset, type Keyset } from '@serin/protocol/bundle/keyset';
import { signedDocument, type SignedDocument } from '@serin/protocol/bundle/signing';
import { desired, type Desired } from '@serin/protocol/messages/desired';
import { z } from 'zod/mini';
import type { DocumentStore } from './ports.ts';
import { parseJson } from './slots.ts';

const documentName = 'keyset';
const pointer = z.object({ keyset: desired.shape.keyset });

export type KeysetPointer = Desired['keyset'];

/** Whom this device trusts: the keyset it joined with, then each that followed it, one version at a time. */
export class Keyring {
  readonly #documents: DocumentStore;
  #keyset: Keyset;

  private constructor(documents: DocumentStore, keyset: Keyset) {
    this.#documents = documents;
    this.#keyset = keyset;
  }

  /** `first` came over the pinned channel of the join; what was stored since then is newer or it is not used. */
  static async open(documents: DocumentStore, first: SignedDocument, fleet: FleetId): Promise<Keyring> {
    const joined = await trustFirstKeyset(first, fleet);
    const stored = parseJson(signedDocument, (await documents.read(documentName)) ?? '');
    const later = stored === undefined ? undefined : await trustFirstKeyset(stored, fleet).catch(() => undefined);
    return new Keyring(documents, later !== undefined && later.version > joined.version ? later : joined);
  }

  get keyset(): Keyset {
    return this.#keyset;
  }

  /** Exactly the next version, signed by the present root and by its own. Durable when it resolves. */
  async accept(bytes: Uint8Array): Promise<void> {
    const document = parseJson(signedDocument, new TextDecoder().decode(bytes));
    if (document === undefined) throw new SerinError('KEYSET_INVALID', { detail: 'not a signed document' });
    const next = await acceptKeyset(this.#keyset, document);
    await this.#documents.write(documentName, JSON.stringify(document));
    this.#keyset = next;
  }
}

/** The keyset that an order names, read before its signature can be checked: the keyset proves itself, whoever points at it. */
export const peekKeyset = ({ payload }: SignedDocument): KeysetPointer | undefined => parseJson(pointer, payload)?.keyset;
