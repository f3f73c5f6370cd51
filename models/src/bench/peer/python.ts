import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** A program in the user's Python that answers a line with a line. */
export interface PythonPeer {
  /** What it said behind `ready`. */
  readonly version: string;
  /** Undefined once it is gone. */
  ask(line: string): Promise<string | undefined>;
  close(): Promise<void>;
}

/** Starts it and waits for its `ready VERSION`; undefined where there is no such Python, or it lacks what the program imports. */
export async function openPython(python: string, program: string, args: readonly string[]): Promise<PythonPeer | undefined> {
  const child = spawn(python, ['-c', program, ...args], { stdio: ['pipe', 'pipe', 'ignore'] });
  const isGone = new Promise<undefined>((resolve) => {
    child.once('error', () => resolve(undefined));
    child.once('exit', () => resolve(undefined));
  });
  // Written to one that has gone, a line is lost; that it has gone is told by what it does not answer.
  child.stdin.on('error', () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string | undefined> => (await Promise.race([lines.next(), isGone.then(() => undefined)]))?.value;
  const close = async (): Promise<void> => {
    child.stdin.end();
    await isGone;
  };
  const [ready, version = ''] = (await next())?.split(' ') ?? [];
  if (ready !== 'ready') {
    await close();
    return undefined;
  }
  return {
    version,
    ask(line) {
      child.stdin.write(`${line}\n`);
      return next();
    },
    close,
  };
}
