import { readFile } from 'node:fs/promises';
import path from 'node:path';

import { writeFileDurably } from '@serin/node/files';
import { SerinError } from '@serin/protocol/errors';

import { bestTrial, nextTrials, reviveSearch, startSearch, tellFailure, tellResult, trialRecords, type SearchState } from '../../search/asha.ts';
import { hasBudget, trialOf } from '../../search/space.ts';
import { betterOf, mainMetric } from '../metrics.ts';
import { readFacts } from '../facts.ts';
import { encodeJson } from '../part.ts';
import type { Stage } from '../stage.ts';

/** Looks for parameters on this machine, one trial after the other; a server gives trials to its queue instead. */
export const search: Stage = {
  name: 'search',
  modules: () => [new URL(import.meta.url)],
  settings: ({ file: { search: settings, train, seed, evaluate, task } }) => ({
    settings: settings ?? null,
    train,
    seed,
    metric: evaluate.metric ?? null,
    costs: evaluate.costs ?? null,
    task,
  }),
  reads: () => ['split/train.bin', 'split/validation.bin', 'split/facts.json', 'split/asked.json'],
  runtime: true,
  skip: ({ file, trial }) => (file.search === undefined ? 'nothing is searched for' : trial ? 'a trial of a search' : undefined),
  run: async (context) => {
    const { file } = context.plan;
    const { search: settings } = file;
    if (settings === undefined) throw new RangeError('nothing is searched for');
    const facts = await readFacts(context);
    const metric = mainMetric(file, facts);
    const place = path.join(context.workFolder, 'search.json');
    let state = await readState(place, startSearch({ settings, seed: file.seed, better: betterOf(metric), rungs: hasBudget(file.train.kind) }));
    const keep = async (next: SearchState): Promise<void> => {
      state = next;
      await writeFileDurably(place, JSON.stringify(next));
    };
    let open = [...reviveSearch(state)];
    let done = state.trials.reduce((sum, { results }) => sum + results.length, 0);
    for (;;) {
      if (open.length === 0) {
        const given = nextTrials(state, 1);
        await keep(given.state);
        open = [...given.tasks];
      }
      const task = open.shift();
      if (task === undefined) break;
      context.progress(null, `trial ${task.id}, rung ${task.rung + 1} of ${state.budgets.length}`);
      try {
        const value = await context.runTrial(trialOf(file, task.parameters, task.budget));
        context.point(`trials: ${metric}`, (done += 1), value);
        await keep(tellResult(state, task.id, task.rung, value));
      } catch (error) {
        // Parameters that do not train are an answer too; anything else is not.
        if (!(error instanceof SerinError) || error.code !== 'TRAINING_DIVERGED') throw error;
        context.note(`trial ${task.id} failed: ${error.detail ?? error.message}`);
        await keep(tellFailure(state, task.id, task.rung, 'failed').state);
      }
    }
    const best = bestTrial(state);
    if (best === undefined)
      throw new SerinError('JOB_FAILED', { detail: `all ${state.trials.length} trials failed`, hint: 'Narrow the ranges of search.space' });
    const value = best.results.findLast((result) => result !== null) ?? Number.NaN;
    return {
      words: `${state.trials.length} trials: ${metric} ${value.toPrecision(4)} on the validation part with ${Object.entries(best.parameters)
        .map(([name, chosen]) => `${name} ${String(chosen)}`)
        .join(', ')}`,
      outputs: { 'best.json': encodeJson(best.parameters) },
      report: { trials: trialRecords(state) },
      facts: { parameters: best.parameters },
    };
  },
};

async function readState(file: string, fresh: SearchState): Promise<SearchState> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as SearchState;
  } catch {
    return fresh;
  }
}
