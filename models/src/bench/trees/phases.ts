import { Session, type Profiler } from 'node:inspector';

/** By the function a sample fell in; what is in none of them is the last. */
const phases: readonly (readonly [words: string, functions: readonly string[]])[] = [
  ['sums of gradients by bin', ['addRows', 'subtract', 'fill', 'fillChildren']],
  [
    'best splits',
    [
      'searchNodes',
      'searchNode',
      'searchNumber',
      'searchPresent',
      'searchMissing',
      'searchCounted',
      'searchCategory',
      'consider',
      'keep',
      'insert',
      'writeMask',
      'agree',
      'takeBetter',
      'isTooSmall',
      'countLeft',
      'countOwn',
      'countRows',
    ],
  ],
  ['rows to their sides', ['partition', 'partAlone', 'partTogether', 'splitNode', 'markBins']],
  ['gradients', ['logisticLoss', 'sigmoid', 'finish', 'chunkGradients', 'packRows', 'findGradients']],
  ['values of leaves, margins', ['settleLeaves', 'leafValue', 'ownLeaves', 'addToRows', 'addToUnseen', 'finishTree', 'placeRows', 'prepare', 'grow']],
  [
    'bounds and bins',
    ['fillBins', 'boundsOf', 'evenBins', 'sampleOf', 'distinct', 'sortFloats', 'spread', 'binNumbers', 'binCategories', 'binnedLevels', 'between'],
  ],
];

export interface Phase {
  readonly words: string;
  readonly ms: number;
}

/** Runs synchronous work and says how long it was in which phase. */
export async function phasesOf(work: () => void): Promise<Phase[]> {
  const session = new Session();
  session.connect();
  const post = (method: string, parameters: object = {}): Promise<unknown> =>
    new Promise((resolve, reject) => {
      session.post(method, parameters, (error: Error | null, result?: object) => (error === null ? resolve(result) : reject(error)));
    });
  await post('Profiler.enable');
  await post('Profiler.setSamplingInterval', { interval: 200 });
  await post('Profiler.start');
  work();
  const { profile } = (await post('Profiler.stop')) as Profiler.StopReturnType;
  session.disconnect();
  const nameOf = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame.functionName]));
  const spent = new Map<string, number>();
  profile.samples?.forEach((id, at) => {
    const name = nameOf.get(id) ?? '';
    const words = phases.find(([, functions]) => functions.includes(name))?.[0] ?? 'all else';
    spent.set(words, (spent.get(words) ?? 0) + (profile.timeDeltas?.[at] ?? 0) / 1000);
  });
  return [...phases.map(([words]) => words), 'all else'].map((words) => ({ words, ms: spent.get(words) ?? 0 }));
}
