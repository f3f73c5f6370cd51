import path from 'node:path';

import type { ExampleContext } from '../command.ts';
import { runPipelineExample } from '../pipeline-example.ts';
import { writeTable } from '../table-writer.ts';
import { columns, applications } from './data.ts';
import { pipeline } from './pipeline.ts';

export const description = 'loans that fail, and why each was refused; synthetic data';

export async function run(args: readonly string[], context: ExampleContext): Promise<void> {
  await runPipelineExample(
    {
      pipeline,
      rows: 20_000,
      async bring(folder, { rows, seed }) {
        await writeTable(path.join(folder, 'loan.csv'), columns, applications(rows, seed));
        return `${rows.toLocaleString('en')} applications for a loan: synthetic, drawn from seed ${seed}`;
      },
    },
    args,
    context,
  );
}
