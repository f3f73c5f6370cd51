import type { Device } from '@serin/protocol/api/resources';
import { deviceId } from '@serin/protocol/ids';
import { readValue, readWhole } from '../arguments.ts';
import { command, type Group } from '../command.ts';
import { UsageError } from '../exit-codes.ts';
import { formatAge, formatShare, type Cell, type Column } from '../output.ts';

const pageSize = 500;
const nameRule = 'lower-case letters, digits, - and _, 63 at most';

function stateOf(device: Device): Cell {
  if (device.state === 'REVOKED') return { text: 'revoked', tone: 'quiet' };
  if (device.error !== null || device.models.some(({ last }) => last !== null && last.outcome !== 'COMMITTED'))
    return { text: device.online ? 'failed' : 'offline, failed', tone: 'bad' };
  if (!device.online) return { text: 'offline', tone: 'warn' };
  return device.drift?.alerting === true ? { text: 'drifting', tone: 'warn' } : { text: 'online', tone: 'good' };
}

function versionsOf(device: Device): string {
  return (
    device.models
      .map(
        ({ model, version, desiredVersion }) =>
          `${model} ${version ?? '-'}${desiredVersion === null || desiredVersion === version ? '' : ` -> ${desiredVersion}`}`,
      )
      .join(', ') || '-'
  );
}

const figuresOf = ({ variant, code, p50Ms, p90Ms }: Device['models'][number]['measured'][number]): string =>
  code === undefined ? `${variant} p50 ${p50Ms?.toFixed(2) ?? '-'} p90 ${p90Ms?.toFixed(2) ?? '-'} ms` : `${variant} out: ${code}`;

/** Which variant runs, and what the device measured of those it tried. */
const variantOf = ({ variant, measured }: Device['models'][number]): string =>
  `${variant ?? '-'}${measured.length === 0 ? '' : ` of ${measured.map(figuresOf).join(', ')}`}`;

const rate = (value: number | null | undefined): string => (value === null || value === undefined ? '-' : value.toFixed(1));

const columns = (nowMs: number): Column<Device>[] => [
  { title: 'device', cell: ({ id, synthetic }) => (synthetic ? `${id} (synthetic)` : id) },
  { title: 'state', cell: stateOf },
  { title: 'version', cell: versionsOf },
  { title: 'inf/s', cell: ({ live }) => rate(live?.inferencesPerS) },
  { title: 'p95 ms', cell: ({ live }) => rate(live?.p95Ms) },
  { title: 'bad', cell: ({ live }) => formatShare(live?.badShare ?? null) },
  { title: 'site', cell: ({ site }) => site || '-' },
  { title: 'seen', cell: ({ lastSeenAt }) => formatAge(lastSeenAt, nowMs) },
];

const fields = (nowMs: number) => (device: Device) =>
  [
    ['device', device.synthetic ? `${device.id} (synthetic camera)` : device.id],
    ['state', stateOf(device)],
    ['class', device.class],
    ['site', device.site || '-'],
    ['agent', device.agent],
    ['platform', device.platform],
    ['seen', formatAge(device.lastSeenAt, nowMs)],
    ['version', versionsOf(device)],
    ['variant', device.models.map(variantOf).join('; ') || '-'],
    [
      'update',
      device.models
        .map(({ phase, last }) => `${phase}${last === null ? '' : `, last ${last.version} ${last.outcome}${last.code === null ? '' : ` ${last.code}`}`}`)
        .join('; ') || '-',
    ],
    ['inferences/s', rate(device.live?.inferencesPerS)],
    ['latency ms', `p50 ${rate(device.live?.p50Ms)}, p95 ${rate(device.live?.p95Ms)}`],
    ['bad frames', formatShare(device.live?.badShare ?? null)],
    ['drift', device.drift === null ? '-' : `${device.drift.statistic} ${device.drift.effect.toFixed(3)}${device.drift.alerting ? ', alerting' : ''}`],
    ['windows', `${device.windows.received} received, ${device.windows.missing} missing, ${device.windows.dropped} dropped`],
    ['refused', `${device.refused.count}${device.refused.lastCode === null ? '' : `, last ${device.refused.lastCode}`}`],
    ['error', device.error === null ? '-' : `${device.error.code}: ${device.error.detail}`],
  ] as const;

const id = { type: 'positional', required: true, description: 'the device' } as const;

export const deviceGroup: Group = {
  description: 'devices of the fleet',
  commands: {
    ls: command(
      'List devices',
      {
        state: { type: 'enum', options: ['online', 'offline', 'drifting', 'failed', 'revoked'], description: 'only those' },
        q: { type: 'string', valueHint: 'text', description: 'only those whose name or site has it' },
        version: { type: 'string', valueHint: 'number', description: 'only those that run it' },
        limit: { type: 'string', valueHint: 'number', default: '10000', description: 'at most so many' },
      },
      async ({ state, q, version, limit }, { api, world, showList, say, link }) => {
        const most = readWhole(limit, '--limit', 1, 1_000_000);
        const items: Device[] = [];
        let cursor: string | undefined;
        let total: number;
        do {
          const query = {
            limit: String(Math.min(pageSize, most - items.length)),
            ...(state && { state }),
            ...(q && { q }),
            ...(version && { version }),
            ...(cursor && { cursor }),
          };
          const page = await api('listDevices', { query: query as NonNullable<Parameters<typeof api<'listDevices'>>[1]>['query'] });
          items.push(...page.items);
          cursor = page.next ?? undefined;
          total = page.total;
        } while (cursor !== undefined && items.length < most);
        showList(columns(world.nowMs()), items, 'No device matches. `serin device enrol` makes a join token.');
        if (total > items.length) say(`${items.length} of ${total} shown; --limit raises it`);
        link('/devices');
      },
    ),
    get: command('Show one device', { id }, async (args, { api, world, showOne, link }) => {
      const device = await api('getDevice', { params: { id: readValue(deviceId, args.id, 'ID', nameRule) } });
      showOne(device, fields(world.nowMs()));
      link(`/devices/${device.id}`);
    }),
    enrol: command(
      'Make a single-use join token',
      {
        name: { type: 'string', valueHint: 'name', description: 'the device may only take this name' },
        minutes: { type: 'string', valueHint: 'number', default: '60', description: 'how long it is valid' },
      },
      async ({ name, minutes }, { api, showOne, say, link }) => {
        const body = {
          minutes: readWhole(minutes, '--minutes', 1, 10_080),
          ...(name === undefined ? {} : { name: readValue(deviceId, name, '--name', nameRule) }),
        };
        const enrolment = await api('createEnrolment', { body });
        showOne(enrolment, (item) => [
          ['token', item.token],
          ['expires', new Date(item.expiresAt).toISOString()],
          ['on the device', item.command],
        ]);
        say('The token works once and is not shown again.');
        link('/devices');
      },
    ),
    revoke: command(
      'Revoke a device: its connections end at once',
      { id, yes: { type: 'boolean', alias: 'y', description: 'do not ask' } },
      async (args, { api, world, showOne, link }) => {
        const target = readValue(deviceId, args.id, 'ID', nameRule);
        if (args.yes !== true && !(await world.confirm(`Revoke ${target}? It must be enrolled again to come back.`)))
          throw new UsageError('not revoked: say --yes');
        const device = await api('revokeDevice', { params: { id: target } });
        showOne(device, fields(world.nowMs()));
        link(`/devices/${device.id}`);
      },
    ),
  },
};
