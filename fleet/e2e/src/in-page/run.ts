import { startTests, type VitestRunner } from '@vitest/runner';

export interface TestOutcome {
  name: string;
  state: string;
  error?: string;
}

type Task = Awaited<ReturnType<typeof startTests>>[number]['tasks'][number];

function outcomesOf(task: Task, prefix: string): TestOutcome[] {
  const name = prefix === '' ? task.name : `${prefix} > ${task.name}`;
  const [failure] = task.result?.errors ?? [];
  const own = { name, state: task.result?.state ?? task.mode, ...(failure === undefined ? {} : { error: failure.message }) };
  if (task.type !== 'suite') return [own];
  const inner = task.tasks.flatMap((child) => outcomesOf(child, name));
  return failure === undefined ? inner : [own, ...inner];
}

/** Pages hold every timer back by milliseconds once it was set by another; tests that give way a million times do not end then. */
function releaseZeroTimers(): void {
  const { setTimeout: later, clearTimeout: cancel } = globalThis;
  const { port1, port2 } = new MessageChannel();
  const waiting = new Map<number, () => void>();
  let timers = 0;
  port1.addEventListener('message', ({ data }: MessageEvent<number>) => {
    const run = waiting.get(data);
    waiting.delete(data);
    run?.();
  });
  port1.start();
  const released = (run: () => void, delayMs = 0, ...args: never[]): number => {
    if (delayMs > 0) return later(run, delayMs, ...args) as unknown as number;
    waiting.set(--timers, run);
    port2.postMessage(timers);
    return timers;
  };
  Object.assign(globalThis, {
    setTimeout: released,
    clearTimeout: (id: number | undefined) => (id !== undefined && id < 0 ? waiting.delete(id) : cancel(id)),
  });
}

/** Runs test files with vitest's own runner in whatever loads this: a page. `load` imports each of them. */
export async function runTestFiles(load: Record<string, () => Promise<unknown>>): Promise<TestOutcome[]> {
  const runner: VitestRunner = {
    config: {
      root: '/',
      setupFiles: [],
      name: undefined,
      passWithNoTests: false,
      testNamePattern: undefined,
      allowOnly: false,
      sequence: { seed: 1, hooks: 'stack', setupFiles: 'list' },
      chaiConfig: undefined,
      maxConcurrency: 1,
      testTimeout: 120_000,
      hookTimeout: 60_000,
      retry: 0,
      includeTaskLocation: false,
      tags: [],
      tagsFilter: undefined,
      strictTags: false,
    },
    importFile: (path) => load[path]?.() ?? Promise.reject(new Error(`${path} is not in the bundle`)),
  };
  releaseZeroTimers();
  const files = await startTests(Object.keys(load), runner);
  return files.flatMap((file) => {
    const [failure] = file.result?.errors ?? [];
    const own: TestOutcome[] = failure === undefined ? [] : [{ name: file.name, state: 'fail', error: failure.message }];
    return [...own, ...file.tasks.flatMap((task) => outcomesOf(task, file.name))];
  });
}
