import type { Alert } from '@serin/protocol/api/resources';
import { readWhole } from '../arguments.ts';
import { command, type Group } from '../command.ts';
import { formatAge, type Column } from '../output.ts';

const columns = (nowMs: number): Column<Alert>[] => [
  { title: 'alert', cell: ({ id }) => id },
  { title: 'state', cell: ({ state }) => (state === 'OPEN' ? { text: state, tone: 'warn' } : { text: state, tone: 'quiet' }) },
  { title: 'severity', cell: ({ severity }) => severity },
  { title: 'model', cell: ({ model, version }) => `${model} ${version}` },
  { title: 'statistic', cell: ({ statistic }) => statistic },
  { title: 'effect', cell: ({ effect }) => effect.toFixed(3) },
  { title: 'devices', cell: ({ devices }) => devices.length },
  { title: 'opened', cell: ({ openedAt }) => formatAge(openedAt, nowMs) },
  { title: 'what', cell: ({ words }) => words },
];

export const alertGroup: Group = {
  description: 'drift that was noticed',
  commands: {
    ls: command(
      'List alerts, newest first',
      {
        state: { type: 'enum', options: ['OPEN', 'CLEARED'], description: 'only those' },
        limit: { type: 'string', valueHint: 'number', default: '20', description: 'at most so many' },
      },
      async ({ state, limit }, { api, world, showList, link }) => {
        const { items } = await api('listAlerts', { query: { limit: String(readWhole(limit, '--limit', 1, 200)), ...(state === undefined ? {} : { state }) } });
        showList(columns(world.nowMs()), items, 'No alert.');
        link('/drift');
      },
    ),
  },
};
