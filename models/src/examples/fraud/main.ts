import path from 'node:path';

import type { ExampleContext } from '../command.ts';
import { runPipelineExample } from '../pipeline-example.ts';
import { writeTable } from '../table-writer.ts';
import { columns, payments } from './data.ts';
import { pipeline } from './pipeline.ts';

export const description = 'payments that are not by the owner: heavy imbalance, a cost matrix, reasons; synthetic data';

export async function run(args: readonly string[], context: ExampleContext): Promise<void> {
  await runPipelineExample(
    {
      pipeline,
      rows: 80_000,
      async bring(folder, { rows, seed }) {
        await writeTable(path.join(folder, 'fraud.csv'), columns, payments(rows, seed));
        return `${rows.toLocaleString('en')} payments by card: synthetic, drawn from seed ${seed}`;
      },
    },
    args,
    context,
  );
}
