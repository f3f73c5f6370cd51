import type { QueryClient } from '@tanstack/react-query';
import type { Dataset } from '@serin/protocol/api/datasets';
import type { Alert, Device, Job, Rollout } from '@serin/protocol/api/resources';
import type { LiveEvent } from '@serin/protocol/api/events';
import type { Run, RunDetail } from '@serin/protocol/api/runs';
import { keys } from '../data/keys.ts';
import { appendRate, mergeAlert, mergeDataset, mergeDevices, mergeJob, mergeRollout, mergeRun, mergeRunDetail, type Rate } from './merge.ts';

/** Writes events into the cache. A list that nobody has asked for yet stays absent: fetching it brings the same news. */
export function applyEvents(client: QueryClient, events: readonly LiveEvent[]): void {
  for (const event of events) applyEvent(client, event);
}

function applyEvent(client: QueryClient, event: LiveEvent): void {
  switch (event.type) {
    case 'reset':
      void client.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== keys.session[0] });
      return;
    case 'overview':
      client.setQueryData(keys.overview, event.overview);
      client.setQueryData<readonly Rate[]>(keys.rates, (list) => appendRate(list ?? [], event.overview));
      return;
    case 'devices':
      client.setQueryData<readonly Device[]>(keys.devices, (list) => (list === undefined ? undefined : mergeDevices(list, event.devices)));
      return;
    case 'rollout':
      client.setQueryData<readonly Rollout[]>(keys.rollouts, (list) => (list === undefined ? undefined : mergeRollout(list, event.rollout)));
      client.setQueryData<Rollout>(keys.rollout(event.rollout.id), (known) =>
        known === undefined || known.updatedAt <= event.rollout.updatedAt ? event.rollout : known,
      );
      return;
    case 'job':
      client.setQueryData<readonly Job[]>(keys.jobs, (list) => (list === undefined ? undefined : mergeJob(list, event.job)));
      return;
    case 'alert':
      client.setQueryData<readonly Alert[]>(keys.alerts, (list) => (list === undefined ? undefined : mergeAlert(list, event.alert)));
      return;
    case 'models':
      void client.invalidateQueries({ queryKey: keys.models });
      return;
    case 'dataset':
      client.setQueryData<readonly Dataset[]>(keys.datasets, (list) => (list === undefined ? undefined : mergeDataset(list, event.dataset)));
      void client.invalidateQueries({ queryKey: keys.dataset(event.dataset.name) });
      return;
    case 'sources':
      void client.invalidateQueries({ queryKey: keys.sources });
      return;
    case 'run':
      applyRun(client, event.run);
      return;
  }
}

function applyRun(client: QueryClient, run: Run): void {
  const known = client.getQueryData<RunDetail>(keys.run(run.id));
  client.setQueryData<readonly Run[]>(keys.runs, (list) => (list === undefined ? undefined : mergeRun(list, run)));
  client.setQueryData<RunDetail>(keys.run(run.id), (detail) => mergeRunDetail(detail, run));
  if (run.status === 'RUNNING') return;
  // Its last words, its slices and its curves are complete now, and so is what its pipeline says of it.
  if (known?.status === 'RUNNING') void client.invalidateQueries({ queryKey: keys.run(run.id) });
  void client.invalidateQueries({ queryKey: keys.pipelines });
}
