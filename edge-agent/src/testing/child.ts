import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';

export interface Program {
  child: ChildProcess;
  /** Every line it wrote so far. */
  lines: string[];
  /** The next line that it writes. */
  line(): Promise<string>;
  kill(): Promise<void>;
}

/** Another process, from source, that runs the text of a module. */
export function runModule(text: string, args: readonly string[] = []): Program {
  const child = spawn(process.execPath, ['--conditions=source', '--import', 'tsx', '--input-type=module', '-e', text, '--', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = once(child, 'close');
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => lines.push(line));
  return {
    child,
    lines,
    line: async () => {
      const [next] = (await Promise.race([once(reader, 'line'), ended.then(() => Promise.reject(new Error('it ended')))])) as [string];
      return next;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

export const moduleUrl = (file: string, from: string): string => JSON.stringify(new URL(file, from).href);
