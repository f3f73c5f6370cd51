import { z } from 'zod/mini';
import { variant } from '@serin/protocol/bundle/manifest';
import { digest, type Digest } from '@serin/protocol/ids';
import { measuredVariant } from '@serin/protocol/messages/reported';
import type { DocumentStore, WarmReport } from './ports.ts';
import { parseJson } from './slots.ts';

/** Which variant of a bundle serves here, and what that rests on. */
export const chosenVariant = z.object({ variant, measured: z.array(measuredVariant).check(z.maxLength(variant.options.length)) });
export type ChosenVariant = z.infer<typeof chosenVariant>;

/** For devices without slots. What was measured on one backend says nothing about another one. */
const chosenDocument = z.extend(chosenVariant, { manifest: digest, backend: z.string() });
const documentName = 'chosen';

/** Which variant of this very bundle ran best on this backend before. */
export async function recallVariant(documents: DocumentStore, manifest: Digest, backend: string): Promise<ChosenVariant | undefined> {
  const known = parseJson(chosenDocument, (await documents.read(documentName)) ?? '');
  return known?.manifest === manifest && known.backend === backend ? known : undefined;
}

/** Whoever may not keep it measures again. */
export const rememberVariant = (documents: DocumentStore, manifest: Digest, backend: string, { variant: name, measured }: WarmReport): Promise<void> =>
  documents.write(documentName, JSON.stringify({ variant: name, measured, manifest, backend })).catch(() => {});
