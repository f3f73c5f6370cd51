import { z } from 'zod/mini';
import { digest, transferId } from '../ids.ts';
import { creditChunksMax } from '../limits.ts';
import { envelope } from './envelope.ts';

/** "Send me these chunks of that blob": the server answers on chunk/{xfer} and keeps no state beyond this request. */
export const chunkRequest = z.object({
  ...envelope,
  xfer: transferId,
  blob: digest,
  chunkSize: z.int().check(z.gte(1024), z.lte(65_536)),
  /** First chunk of the range asked for. */
  from: z.int().check(z.gte(0)),
  /** Which chunks from there are wanted, low bit first, base64; at most creditChunksMax bits. */
  bitmap: z.string().check(z.maxLength(Math.ceil(creditChunksMax / 6) * 4 + 4)),
});
export type ChunkRequest = z.infer<typeof chunkRequest>;

/** Server to device on `cmd`: a transfer cannot be served. */
export const command = z.object({
  v: z.literal(1),
  kind: z.enum(['transfer-refused', 'report']),
  /** After this the command is void. */
  exp: z.int(),
  xfer: z.optional(transferId),
  code: z.optional(z.string().check(z.maxLength(64))),
});
export type Command = z.infer<typeof command>;
