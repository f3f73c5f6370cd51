import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { programs } from '@serin/demo/processes';
import type { Stack } from './stack.ts';

const execute = promisify(execFile);

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** `serin`, as an operator has it, run in a folder. */
export async function runSerin(stack: Stack, folder: string, args: readonly string[]): Promise<Outcome> {
  const { httpUrl, adminToken } = stack.server().ready;
  const env = { PATH: process.env.PATH ?? '', SERIN_URL: httpUrl, SERIN_TOKEN: adminToken };
  try {
    return { code: 0, ...(await execute(process.execPath, [programs.cli, ...args], { cwd: folder, env, maxBuffer: 64 << 20 })) };
  } catch (error) {
    const { code, stdout, stderr } = error as Outcome;
    return { code, stdout, stderr };
  }
}

/** Synthetic customers: the young leave early, the old leave late; no straight line tells them apart. */
export function customers(count: number, first: number, spoil: (row: number, line: string[]) => string[] = (_, line) => line): string {
  const lines = Array.from({ length: count }, (_, index) => {
    const key = first + index;
    const noise = Math.abs(Math.sin(key * 12.9898) * 43_758.5453) % 1;
    const [age, months] = [20 + ((key * 7919) % 50), (key * 104_729) % 72];
    const leaves = age < 45 === months < 36 ? noise < 0.9 : noise < 0.1;
    return spoil(index, [String(key), String(age), String(months), ['basic', 'pro', 'team'][key % 3] ?? '', leaves ? 'yes' : 'no']).join(',');
  });
  return `id,age,months,plan,churned\n${lines.join('\n')}\n`;
}
