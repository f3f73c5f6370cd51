import path from 'node:path';

import type { ExampleContext } from '../command.ts';
import { runPipelineExample } from '../pipeline-example.ts';
import { writeTable } from '../table-writer.ts';
import { columns, customers } from './data.ts';
import { pipeline } from './pipeline.ts';

export const description = 'customers that leave; synthetic data';

export async function run(args: readonly string[], context: ExampleContext): Promise<void> {
  await runPipelineExample(
    {
      pipeline,
      rows: 20_000,
      async bring(folder, { rows, seed }) {
        await writeTable(path.join(folder, 'churn.csv'), columns, customers(rows, seed));
        return `${rows.toLocaleString('en')} customers of a provider: synthetic, drawn from seed ${seed}`;
      },
    },
    args,
    context,
  );
}
