import { QueryClient } from '@tanstack/react-query';
import { expect, test } from 'vitest';
import type { Dataset } from '@serin/protocol/api/datasets';
import type { Device, Rollout } from '@serin/protocol/api/resources';
import type { RunDetail } from '@serin/protocol/api/runs';
import { keys } from '../data/keys.ts';
import { makeDataset, makeDevice, makeRollout, makeRun, makeRunDetail } from '../domain/testing.ts';
import { applyEvents } from './apply.ts';

test('events change lists that were fetched and leave the others to be fetched', () => {
  const client = new QueryClient();
  client.setQueryData<readonly Device[]>(keys.devices, [makeDevice('a')]);
  applyEvents(client, [
    { type: 'devices', devices: [makeDevice('a', { online: false })] },
    { type: 'rollout', rollout: makeRollout('r', { updatedAt: 2 }) },
  ]);
  expect(client.getQueryData<readonly Device[]>(keys.devices)?.map(({ online }) => online)).toEqual([false]);
  expect(client.getQueryData(keys.rollouts)).toBeUndefined();
  expect(client.getQueryData<Rollout>(keys.rollout('r'))?.updatedAt).toBe(2);
  applyEvents(client, [{ type: 'rollout', rollout: makeRollout('r', { updatedAt: 1, status: 'PAUSED' }) }]);
  expect(client.getQueryData<Rollout>(keys.rollout('r'))?.status).toBe('JUDGE');
  client.clear();
});

test('a reset marks everything for fetching again, except who is signed in', () => {
  const client = new QueryClient();
  client.setQueryData(keys.devices, []);
  client.setQueryData(keys.session, {});
  applyEvents(client, [{ type: 'reset' }]);
  expect(client.getQueryState(keys.devices)?.isInvalidated).toBe(true);
  expect(client.getQueryState(keys.session)?.isInvalidated).toBe(false);
  client.clear();
});

test('a run in sight keeps its curves while the stream tells how it goes, and is asked for once more when it ends', () => {
  const client = new QueryClient();
  const curves: RunDetail['series'] = [{ name: 'loss', points: [[0, 1]] }];
  client.setQueryData(keys.run('r'), makeRunDetail('r', { status: 'RUNNING', finishedAt: null, series: curves }));
  applyEvents(client, [{ type: 'run', run: makeRun('r', { status: 'RUNNING', finishedAt: null, metrics: { auc: 0.7 } }) }]);
  expect(client.getQueryData<RunDetail>(keys.run('r'))).toMatchObject({ metrics: { auc: 0.7 }, series: curves });
  expect(client.getQueryState(keys.run('r'))?.isInvalidated).toBe(false);
  applyEvents(client, [{ type: 'run', run: makeRun('r') }]);
  expect(client.getQueryData<RunDetail>(keys.run('r'))?.status).toBe('SUCCEEDED');
  expect(client.getQueryState(keys.run('r'))?.isInvalidated).toBe(true);
  // Late news of the past changes nothing.
  applyEvents(client, [{ type: 'run', run: makeRun('r', { status: 'RUNNING', finishedAt: null }) }]);
  expect(client.getQueryData<RunDetail>(keys.run('r'))?.status).toBe('SUCCEEDED');
  client.clear();
});

test('a dataset that changed is replaced in its list, and what is known of its versions is asked for again', () => {
  const client = new QueryClient();
  client.setQueryData<readonly Dataset[]>(keys.datasets, [makeDataset('churn'), makeDataset('spam')]);
  client.setQueryData(keys.datasetVersions('churn'), []);
  client.setQueryData(keys.datasetVersion('churn', 2), {});
  client.setQueryData(keys.datasetVersions('spam'), []);
  applyEvents(client, [{ type: 'dataset', dataset: makeDataset('churn', { quarantined: 1 }) }]);
  expect(client.getQueryData<readonly Dataset[]>(keys.datasets)?.map(({ name, quarantined }) => [name, quarantined])).toEqual([
    ['churn', 1],
    ['spam', 0],
  ]);
  expect(
    [keys.datasetVersions('churn'), keys.datasetVersion('churn', 2), keys.datasetVersions('spam')].map((key) => client.getQueryState(key)?.isInvalidated),
  ).toEqual([true, true, false]);
  client.clear();
});
