import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { SerinError } from '@serin/protocol/errors';

import type { TrainProgress } from '../train/train.ts';

export interface ExampleContext {
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface ExampleArguments {
  readonly seed: number;
  readonly epochs: number;
  readonly threads: number;
  /** Where the model goes. */
  readonly out: string | undefined;
  /** A folder to go on from, and to leave checkpoints in. */
  readonly checkpoint: string | undefined;
}

/** The flags that trainings share. */
export function readExampleArguments(args: readonly string[], usualEpochs: number): ExampleArguments {
  const { text, number } = readExampleFlags(args, {
    seed: { usual: 1, least: 0, most: 999_999_999 },
    epochs: { usual: usualEpochs, least: 1, most: 10_000 },
    threads: { usual: Math.min(2, availableParallelism()), least: 1, most: 256 },
    out: 'text',
    checkpoint: 'text',
  });
  return { seed: number('seed'), epochs: number('epochs'), threads: number('threads'), out: text('out'), checkpoint: text('checkpoint') };
}

type WholeFlag = { readonly usual: number; readonly least: number; readonly most: number };

/** Flags an example has of its own: whole numbers within limits, and texts. Throws CONFIG_INVALID with one line that names the flag. */
export function readExampleFlags(args: readonly string[], flags: Readonly<Record<string, WholeFlag | 'text'>>) {
  const known = Object.fromEntries(Object.keys(flags).map((name) => [name, { type: 'string' as const }]));
  const { values, tokens } = parseArgs({ args: [...args], options: known, strict: false, tokens: true, allowPositionals: true });
  for (const token of tokens) {
    if (token.kind === 'option' && (!Object.hasOwn(flags, token.name) || token.value === undefined)) {
      const names = Object.keys(flags).map((name) => `--${name}`);
      throw new SerinError('CONFIG_INVALID', { detail: `${token.rawName} is not a flag with a value; there are ${names.join(', ')}` });
    }
    if (token.kind === 'positional') throw new SerinError('CONFIG_INVALID', { detail: `${token.value} is not a flag` });
  }
  const text = (name: string): string | undefined => (values[name] === undefined ? undefined : String(values[name]));
  const number = (name: string): number => {
    const { usual, least, most } = flags[name] as WholeFlag;
    const given = text(name) ?? String(usual);
    const value = Number(given);
    if (!/^\d{1,9}$/.test(given) || value < least || value > most) {
      throw new SerinError('CONFIG_INVALID', { detail: `--${name} is "${given}"; it must be a whole number from ${least} to ${most}` });
    }
    return value;
  };
  // Every flag is looked at, also one that is only read later.
  for (const [name, flag] of Object.entries(flags)) if (flag !== 'text') number(name);
  return { text, number };
}

/** Says how far a training is, at every report. */
export const showProgress =
  (say: (line: string) => void) =>
  ({ step, steps, loss, examplesPerSecond, remainingSeconds }: TrainProgress): void => {
    const speed = Math.round(examplesPerSecond).toLocaleString('en');
    say(`step ${step} of ${steps}: loss ${loss.toFixed(4)}, ${speed} examples/s, ${Math.ceil(remainingSeconds)} s to go`);
  };
