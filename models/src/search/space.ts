import type { Random } from '@serin/inference/random';
import type { ParameterValue } from '@serin/protocol/api/runs';
import type { PipelineFile, SearchRange, SearchSettings } from '@serin/protocol/pipeline';

/** One value of a range. */
function draw(range: SearchRange, random: Random): ParameterValue {
  if ('oneOf' in range) return range.oneOf[random.integer(range.oneOf.length)] ?? null;
  const { from, to, log, whole } = range;
  // Whole numbers: half a step beyond both ends, so that the ends are as likely as the others.
  const [low, high] = whole ? [from - 0.5, to + 0.5] : [from, to];
  const at = random.uniform();
  const value = log
    ? Math.exp(Math.log(Math.max(low, whole ? 0.5 : low)) + at * (Math.log(high) - Math.log(Math.max(low, whole ? 0.5 : low))))
    : low + at * (high - low);
  return Math.min(to, Math.max(from, whole ? Math.round(value) : Number(value.toPrecision(6))));
}

/** The parameters of a trial by its number: each draws for itself, so another parameter more changes none of the others. */
export const drawParameters = (space: SearchSettings['space'], random: Random, trial: number): Record<string, ParameterValue> =>
  Object.fromEntries(Object.entries(space).map(([name, range]) => [name, draw(range, random.fork(`trial ${trial}/${name}`))]));

/** What a budget shortens, by the kind of trainer. */
const lengthOf = {
  trees: 'trees',
  'text-conv': 'epochs',
  'image-classifier': 'epochs',
  linear: undefined,
  'text-linear': undefined,
  ensemble: undefined,
} as const;

/** Whether a smaller budget makes training shorter; where not, every trial gets everything. */
export const hasBudget = (kind: PipelineFile['train']['kind']): boolean => lengthOf[kind] !== undefined;

/**
 * The pipeline of one trial: its parameters set, its training cut to a share. The same trial with a larger budget is another
 * training; the stages before are the same and cached.
 */
export function trialOf(file: PipelineFile, parameters: Readonly<Record<string, ParameterValue>>, budget: number): PipelineFile {
  const { search: _, ...rest } = file;
  const train = { ...file.train, ...parameters } as PipelineFile['train'];
  const length = lengthOf[train.kind];
  if (length === undefined || budget >= 1) return { ...rest, train };
  const whole = (train as unknown as Record<string, number>)[length] ?? 1;
  return { ...rest, train: { ...train, [length]: Math.max(1, Math.round(whole * budget)) } as PipelineFile['train'] };
}
