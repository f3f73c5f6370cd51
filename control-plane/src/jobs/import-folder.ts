import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod/mini';
import { importSpec } from '@serin/protocol/import-spec';
import { modelName, versionNumber } from '@serin/protocol/ids';
import { writeFileDurably } from '@serin/node/files';

/** What the child of an import reads in the folder of its job; its result is a version like any other's. */
export const importRequest = z.object({
  kind: z.literal('import'),
  /** Of the model. */
  name: modelName,
  spec: importSpec,
  /** Where its file lies, and the folder of the pictures; null where there are none. */
  model: z.string(),
  pictures: z.nullable(z.string()),
  champion: z.nullable(z.object({ version: versionNumber, labels: z.array(z.string()), model: z.string() })),
  framesPerWindow: z.int(),
  threads: z.int(),
});
export type ImportJobRequest = z.infer<typeof importRequest>;

export async function writeImportRequest(folder: string, request: ImportJobRequest): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFileDurably(path.join(folder, 'request.json'), JSON.stringify(request));
}
