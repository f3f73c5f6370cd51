import { runCli } from '../cli.ts';
import type { World } from '../world.ts';

export interface Said {
  code: number;
  out: string;
  err: string;
}

/** Runs a command line in a world without a terminal, in which time passes only while the command pauses. */
export async function runLine(argv: readonly string[], env: World['env'], change: Partial<World> = {}, beginMs = 0): Promise<Said> {
  let [out, err, now] = ['', '', beginMs];
  const world: World = {
    env,
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    isTerminal: false,
    readSecret: async () => '',
    confirm: async () => false,
    fetch,
    nowMs: () => now,
    pause: async (milliseconds) => void (now += milliseconds),
    signal: new AbortController().signal,
    ...change,
  };
  return { code: await runCli(argv, world), out, err };
}
