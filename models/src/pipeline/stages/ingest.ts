import type { Stage } from '../stage.ts';
import { sha256Of } from '../stage-cache.ts';
import { encodeJson } from '../part.ts';
import { stableText } from '../engine-text.ts';

/** What the pipeline reads, by content: names and digests of its files. The bytes stay where they are. */
export const ingest: Stage = {
  name: 'ingest',
  modules: () => [new URL(import.meta.url)],
  settings: ({ file: { ingest: settings }, inputs }) => ({ spec: settings.spec ?? null, inputs }),
  reads: () => [],
  runtime: false,
  run: async ({ plan: { inputs, file } }) => {
    const bytes = inputs.reduce((sum, input) => sum + input.bytes, 0);
    const digest = sha256Of(stableText({ spec: file.ingest.spec ?? null, inputs }));
    return {
      words: `${inputs.length} file${inputs.length === 1 ? '' : 's'}, ${bytes.toLocaleString('en')} bytes`,
      outputs: { 'files.json': encodeJson(inputs) },
      facts: { digest, bytes },
    };
  },
};
