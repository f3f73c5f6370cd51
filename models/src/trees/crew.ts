/** Threads that do the same work in step, each its part of it. */
export interface Crew {
  readonly index: number;
  readonly size: number;
  /** Returns once all of them have called it. */
  meet(): void;
}

export const alone: Crew = { index: 0, size: 1, meet: () => {} };

export const crewWords = 2;
/** A few microseconds: most waits are shorter, and waking a thread takes longer. */
const spinsMax = 4000;

/** `words` are shared: how many have arrived, and how often all of them have met. */
export function createCrew(words: Int32Array, index: number, size: number): Crew {
  if (size === 1) return alone;
  const meet = (): void => {
    const meeting = Atomics.load(words, 1);
    if (Atomics.add(words, 0, 1) === size - 1) {
      Atomics.store(words, 0, 0);
      Atomics.store(words, 1, (meeting + 1) | 0);
      Atomics.notify(words, 1);
      return;
    }
    for (let spins = 0; spins < spinsMax; spins += 1) if (Atomics.load(words, 1) !== meeting) return;
    while (Atomics.load(words, 1) === meeting) Atomics.wait(words, 1, meeting);
  };
  return { index, size, meet };
}
