import { openSession, runtimeTensor, type Session } from '../../onnx/session.ts';
import { decibelsOf, noiseShare } from '../../quantise/recover/noise.ts';
import type { Examples } from './cases.ts';

export interface Contender {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Milliseconds a query, round by round. */
export type Times = readonly number[];

export const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** How often as fast as another: the median over rounds of the ratios within a round. */
export const timesAsFast = (one: Times, other: Times): number => median(one.map((ms, round) => (other[round] ?? Number.NaN) / ms));

export const feedsOf = (example: Examples[number]) =>
  Object.fromEntries(Object.entries(example).map(([name, { type, data, dims }]) => [name, runtimeTensor(type, data, dims)]));

const roundMs = 25;

/**
 * Turn by turn, so that what else the machine does falls on all of them; many queries a turn, because a model that is
 * alone on its device finds its weights in the cache.
 */
export async function compareSpeeds(contenders: readonly Contender[], examples: Examples, rounds: number, threads: number): Promise<Times[]> {
  const sessions: Session[] = [];
  try {
    for (const { bytes } of contenders) sessions.push(await openSession(bytes, { threads }));
    const feeds = examples.slice(0, 4).map(feedsOf);
    const timed = async (session: Session, times: number): Promise<number> => {
      const began = performance.now();
      for (let done = 0; done < times; done += 1) await session.run(feeds[done % feeds.length] as (typeof feeds)[number]);
      return (performance.now() - began) / times;
    };
    const times: number[] = [];
    for (const session of sessions) {
      await timed(session, 3);
      times.push(Math.max(1, Math.round(roundMs / (await timed(session, 3)))));
    }
    const found: number[][] = sessions.map(() => []);
    for (let round = 0; round < rounds; round += 1) {
      for (const [index, session] of sessions.entries()) found[index]?.push(await timed(session, times[index] ?? 1));
    }
    return found;
  } finally {
    for (const session of sessions) void session.release();
  }
}

/** Power of the first model's outputs over that of the difference, in decibels; the worst of the outputs. */
export async function compareOutputs(contenders: readonly Contender[], examples: Examples, threads: number): Promise<number[]> {
  const results: Record<string, Float32Array>[][] = [];
  for (const { bytes } of contenders) {
    const session = await openSession(bytes, { threads });
    const outputs: Record<string, Float32Array>[] = [];
    for (const example of examples) {
      const made = await session.run(feedsOf(example));
      outputs.push(Object.fromEntries(Object.entries(made).map(([name, { data }]) => [name, Float32Array.from(data as Float32Array)])));
    }
    await session.release();
    results.push(outputs);
  }
  const [wanted = []] = results;
  return results.map((found) => {
    const valuesOf = (outputs: typeof found, name: string): Float32Array[] => outputs.map((each) => each[name] ?? new Float32Array());
    return Math.min(...Object.keys(wanted[0] ?? {}).map((name) => decibelsOf(noiseShare(valuesOf(wanted, name), valuesOf(found, name)))));
  });
}
