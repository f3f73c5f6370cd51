import { readFileSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

import { createGraphBuilder } from '../onnx/builder.ts';
import { createModel, type Tensor } from '../onnx/graph.ts';
import { writeModel } from '../onnx/model-file.ts';
import { openSession, runtimeTensor } from '../onnx/session.ts';

/** What the process is asked, once. */
export interface MemoryTask {
  readonly file: string;
  readonly feeds: readonly Readonly<Record<string, Tensor>>[];
  readonly threads: number;
}

export type MemoryAnswer = { readonly bytes: number } | { readonly failed: string };

/** A model that does nothing: what the runtime takes for itself is there before anything is measured. */
function emptyModel(): Uint8Array {
  const builder = createGraphBuilder('empty');
  builder.output(builder.add('Identity', [builder.input('x', 'float32', [1])]), 'float32', [1]);
  return writeModel(createModel(builder.finish()));
}

/** Where Linux keeps the most that this process ever had; starting it may have taken more than it has now. */
function forgetPeak(): void {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    // Elsewhere the samples have to do.
  }
}

function peakBytes(): number {
  try {
    const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
    return Number(kibibytes ?? 0) * 1024;
  } catch {
    return 0;
  }
}

async function measure({ file, feeds, threads }: MemoryTask): Promise<number> {
  await (await openSession(emptyModel(), { threads })).release();
  forgetPeak();
  const before = process.memoryUsage.rss();
  let most = before;
  const sample = (): void => {
    most = Math.max(most, process.memoryUsage.rss());
  };
  const session = await openSession(await readFile(file), { threads });
  sample();
  for (const feed of feeds) {
    await session.run(Object.fromEntries(Object.entries(feed).map(([name, { type, data, dims }]) => [name, runtimeTensor(type, data, dims)])));
    sample();
  }
  most = Math.max(most, peakBytes());
  await session.release();
  return most - before;
}

process.once('message', (task: MemoryTask) => {
  const tell = (answer: MemoryAnswer): void => void process.send?.(answer, () => process.disconnect());
  measure(task).then(
    (bytes) => tell({ bytes }),
    (error: unknown) => tell({ failed: error instanceof Error ? error.message : String(error) }),
  );
});
