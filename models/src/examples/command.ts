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

const options = {
  seed: { type: 'string' },
  epochs: { type: 'string' },
  threads: { type: 'string' },
  out: { type: 'string' },
  checkpoint: { type: 'string' },
} as const;

/** Throws CONFIG_INVALID with one line that names the flag, the value and the rule. */
export function readExampleArguments(args: readonly string[], usualEpochs: number): ExampleArguments {
  const { values, tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true, allowPositionals: true });
  for (const token of tokens) {
    if (token.kind === 'option' && (!Object.hasOwn(options, token.name) || token.value === undefined)) {
      const flags = Object.keys(options).map((name) => `--${name}`);
      throw new SerinError('CONFIG_INVALID', { detail: `${token.rawName} is not a flag with a value; there are ${flags.join(', ')}` });
    }
    if (token.kind === 'positional') throw new SerinError('CONFIG_INVALID', { detail: `${token.value} is not a flag` });
  }
  const number = (name: 'seed' | 'epochs' | 'threads', usual: number, least: number, most: number): number => {
    const given = String(values[name] ?? usual);
    const value = Number(given);
    if (!/^\d{1,9}$/.test(given) || value < least || value > most) {
      throw new SerinError('CONFIG_INVALID', { detail: `--${name} is "${given}"; it must be a whole number from ${least} to ${most}` });
    }
    return value;
  };
  const text = (name: 'out' | 'checkpoint'): string | undefined => (values[name] === undefined ? undefined : String(values[name]));
  return {
    seed: number('seed', 1, 0, 999_999_999),
    epochs: number('epochs', usualEpochs, 1, 10_000),
    threads: number('threads', Math.min(2, availableParallelism()), 1, 256),
    out: text('out'),
    checkpoint: text('checkpoint'),
  };
}

/** Says how far a training is, at every report. */
export const showProgress =
  (say: (line: string) => void) =>
  ({ step, steps, loss, examplesPerSecond, remainingSeconds }: TrainProgress): void => {
    const speed = Math.round(examplesPerSecond).toLocaleString('en');
    say(`step ${step} of ${steps}: loss ${loss.toFixed(4)}, ${speed} examples/s, ${Math.ceil(remainingSeconds)} s to go`);
  };
