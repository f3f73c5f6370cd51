import { useMutation, useQueryClient, type QueryClient } from '@tanstack/react-query';
import type { ReplyOf, RouteName } from '@serin/protocol/api/routes';
import type { DatasetVersion } from '@serin/protocol/api/datasets';
import type { Job, Rollout } from '@serin/protocol/api/resources';
import type { Run } from '@serin/protocol/api/runs';
import { mergeJob, mergeRollout, mergeRun } from '../live/merge.ts';
import { showError } from '../ui/toasts.ts';
import { keys } from './keys.ts';

/** One thing a person does: the error is always shown, with its code and what to do about it. */
export function useAction<Input, Name extends RouteName>(
  run: (input: Input) => Promise<ReplyOf<Name>>,
  onDone?: (reply: ReplyOf<Name>, client: QueryClient) => void,
) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: run,
    onSuccess: (reply) => onDone?.(reply, client),
    onError: (cause) => showError(cause),
  });
}

/** Replies are applied like events, so the screen answers before the stream does. */
export function rememberRollout(rollout: Rollout, client: QueryClient): void {
  client.setQueryData<readonly Rollout[]>(keys.rollouts, (list) => (list === undefined ? undefined : mergeRollout(list, rollout)));
  client.setQueryData(keys.rollout(rollout.id), rollout);
}

export function rememberJob(job: Job, client: QueryClient): void {
  client.setQueryData<readonly Job[]>(keys.jobs, (list) => (list === undefined ? undefined : mergeJob(list, job)));
}

export function rememberRun(run: Run, client: QueryClient): void {
  client.setQueryData<readonly Run[]>(keys.runs, (list) => (list === undefined ? undefined : mergeRun(list, run)));
}

/** A decision about a version changes its dataset as well: what is known of both is asked for again. */
export function rememberDatasetVersion({ dataset }: DatasetVersion, client: QueryClient): void {
  void client.invalidateQueries({ queryKey: keys.dataset(dataset) });
  void client.invalidateQueries({ queryKey: keys.datasets });
}
