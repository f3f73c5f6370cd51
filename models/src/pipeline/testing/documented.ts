import { writeFile } from 'node:fs/promises';
import path from 'node:path';

import { checkPipeline } from '@serin/protocol/pipeline-file';

import { runPipeline, type PipelineReport } from '../run-pipeline.ts';

/** What docs/pipelines.md shows. */
export async function documented(declared: unknown, folder: string, say: (line: string) => void): Promise<PipelineReport> {
  const file = checkPipeline(declared);
  const { report, version } = await runPipeline(
    { file, inputs: (name) => path.resolve(folder, name), cacheFolder: path.join(folder, '.cache'), threads: 2 },
    { onNote: say, onStage: ({ name, state, words }) => say(`${name} ${state} ${words}`) },
  );
  if (version === undefined) for (const { passed, words } of report.gate?.checks ?? []) say(`${passed ? 'passed' : 'failed'}: ${words}`);
  for (const { path: file, bytes } of version?.files ?? []) await writeFile(path.join(folder, file), bytes);
  return report;
}
