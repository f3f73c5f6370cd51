import { QueryClient } from '@tanstack/react-query';
import { expect, test } from 'vitest';
import type { Device, Rollout } from '@serin/protocol/api/resources';
import { keys } from '../data/keys.ts';
import { makeDevice, makeRollout } from '../domain/testing.ts';
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
