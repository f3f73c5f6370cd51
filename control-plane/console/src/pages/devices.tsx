import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useVirtualizer } from '@tanstack/react-virtual';
import { ChevronDown, ChevronUp, Plus, X } from 'lucide-react';
import { useLayoutEffect, useRef, useState, type ReactNode } from 'react';
import type { Device } from '@serin/protocol/api/resources';
import { devicesMax, devicesQuery } from '../data/queries.ts';
import { deviceHealth, healthLabel, naturalOrder, versionShares } from '../domain/device-health.ts';
import { filterDevices, sortDevices, stateFilters, type SortKey, type StateFilter } from '../domain/device-table.ts';
import { formatCount, formatMs, formatNumber, formatPercent, formatRate, humanise, plural } from '../domain/format.ts';
import type { DevicesSearch } from '../domain/search.ts';
import { Code, SyntheticTag, VersionTag } from '../ui/badge.tsx';
import { Button, buttonClass } from '../ui/button.tsx';
import { cn } from '../ui/cn.ts';
import { SelectField } from '../ui/field.tsx';
import { HealthMark } from '../ui/health-mark.tsx';
import { Empty, Page, Panel, Skeleton } from '../ui/panel.tsx';
import { Ago } from '../ui/time.tsx';
import { SearchField } from '../ui/search-field.tsx';

const route = getRouteApi('/shell/devices');

const stateWords: Record<StateFilter, string> = {
  online: 'Online',
  healthy: 'Healthy',
  offline: 'Offline',
  drifting: 'Drifting',
  failed: 'Failing',
  degraded: 'Degraded',
  updating: 'Updating',
  empty: 'No version',
  revoked: 'Revoked',
};

export function DevicesPage() {
  const search = route.useSearch();
  const { data: devices } = useQuery(devicesQuery);
  const sort = search.sort ?? 'id';
  const desc = search.desc ?? false;
  const shown = devices === undefined ? undefined : sortDevices(filterDevices(devices, search), sort, desc);
  return (
    <Page
      title="Devices"
      note={
        devices === undefined
          ? 'Loading…'
          : devices.length >= devicesMax
            ? `The first ${formatCount(devicesMax)}; narrow the list by its filters`
            : plural(devices.length, 'device')
      }
      actions={
        <Link to="/settings" search={{ tab: 'enrol' }} className={buttonClass('plain')}>
          <Plus className="size-4" aria-hidden />
          Enrol a device
        </Link>
      }
    >
      <Filters devices={devices ?? []} search={search} />
      <Panel className="min-w-0 overflow-hidden">
        {shown === undefined && <Skeleton className="m-4 h-64" />}
        {shown !== undefined && devices?.length === 0 && (
          <Empty title="No device has joined yet">
            Make a token under Settings, then run <Code>npm run agent -- --join …</Code> on the device.
          </Empty>
        )}
        {shown !== undefined && devices !== undefined && devices.length > 0 && shown.length === 0 && (
          <Empty
            title="No device matches"
            action={
              <Link to="/devices" search={{}} className={buttonClass('plain')}>
                Clear the filters
              </Link>
            }
          >
            {plural(devices.length, 'device')} in the fleet, none with these filters.
          </Empty>
        )}
        {shown !== undefined && shown.length > 0 && <DeviceTable devices={shown} sort={sort} desc={desc} />}
      </Panel>
    </Page>
  );
}

function Filters({ devices, search }: { devices: readonly Device[]; search: DevicesSearch }) {
  const navigate = route.useNavigate();
  const change = (next: { [Key in keyof DevicesSearch]?: DevicesSearch[Key] | undefined }): void => {
    void navigate({
      search: (before) => Object.fromEntries(Object.entries({ ...before, ...next }).filter(([, value]) => value !== undefined && value !== '')),
      replace: true,
    });
  };
  const sites = [...new Set(devices.map(({ site }) => site))].toSorted(naturalOrder);
  const versions = versionShares(devices);
  const filtered = search.q !== undefined || search.state !== undefined || search.site !== undefined || search.version !== undefined;
  return (
    <div role="search" aria-label="Filter devices" className="flex flex-wrap items-center gap-2">
      <SearchField label="Name, site or platform" value={search.q ?? ''} onChange={(q) => change({ q })} />
      <SelectField
        label="State"
        hideLabel
        value={search.state ?? ''}
        onChange={(event) => change({ state: stateFilters.find((state) => state === event.target.value) })}
      >
        <option value="">Any state</option>
        {stateFilters.map((state) => (
          <option key={state} value={state}>
            {stateWords[state]}
          </option>
        ))}
      </SelectField>
      <SelectField label="Site" hideLabel value={search.site ?? ''} onChange={(event) => change({ site: event.target.value })}>
        <option value="">Any site</option>
        {sites.map((site) => (
          <option key={site}>{site}</option>
        ))}
      </SelectField>
      <SelectField label="Version" hideLabel value={search.version ?? ''} onChange={(event) => change({ version: event.target.value })}>
        <option value="">Any version</option>
        {versions.map(({ version, devices: count }) => (
          <option key={version ?? 'none'} value={String(version ?? 'none')}>
            {version === null ? 'no version' : `v${version}`} ({count})
          </option>
        ))}
      </SelectField>
      {filtered && (
        <Button
          kind="quiet"
          icon={<X className="size-3.5" aria-hidden />}
          onClick={() => change({ q: undefined, state: undefined, site: undefined, version: undefined })}
        >
          Clear
        </Button>
      )}
    </div>
  );
}

interface Column {
  key: SortKey;
  name: string;
  className: string;
  numeric: boolean;
  cell: (device: Device) => ReactNode;
}

const dim = 'text-ink-3';
const columns: readonly Column[] = [
  {
    key: 'id',
    name: 'Device',
    numeric: false,
    className: 'min-w-28 flex-[2_1_11rem]',
    cell: (device) => (
      <span className="flex min-w-0 items-center gap-2">
        <HealthMark health={deviceHealth(device)} className="sm:hidden" />
        <Link to="/devices/$id" params={{ id: device.id }} className="truncate font-medium after:absolute after:inset-0">
          {device.id}
        </Link>
        {device.synthetic && <SyntheticTag />}
      </span>
    ),
  },
  {
    key: 'health',
    name: 'State',
    numeric: false,
    className: 'w-28 shrink-0 max-sm:hidden',
    cell: (device) => {
      const health = deviceHealth(device);
      return (
        <span className="flex items-center gap-2">
          <HealthMark health={health} label={false} />
          {healthLabel[health]}
        </span>
      );
    },
  },
  {
    key: 'site',
    name: 'Site',
    numeric: false,
    className: 'w-28 shrink-0 max-md:hidden',
    cell: (device) => <span className="truncate text-ink-2">{device.site}</span>,
  },
  {
    key: 'version',
    name: 'Version',
    numeric: false,
    className: 'w-18 shrink-0 sm:w-28',
    cell: (device) => {
      const model = device.models[0];
      const moving = model !== undefined && model.desiredVersion !== null && model.desiredVersion !== model.version;
      return (
        <span className="flex items-baseline gap-1.5">
          <VersionTag version={model?.version ?? null} />
          {moving && <span className="font-mono text-xs text-info">→ v{model.desiredVersion}</span>}
        </span>
      );
    },
  },
  { key: 'rate', name: 'Inf./s', numeric: true, className: 'w-12 shrink-0 sm:w-18', cell: (device) => formatRate(device.live?.inferencesPerS) },
  { key: 'p95', name: 'p95', numeric: true, className: 'w-16 shrink-0 sm:w-22', cell: (device) => formatMs(device.live?.p95Ms) },
  {
    key: 'bad',
    name: 'Bad frames',
    numeric: true,
    className: 'w-24 shrink-0 max-lg:hidden',
    cell: (device) => <span className={cn((device.live?.badShare ?? 0) >= 0.1 ? 'font-medium text-bad' : '')}>{formatPercent(device.live?.badShare)}</span>,
  },
  {
    key: 'drift',
    name: 'Drift',
    numeric: true,
    className: 'w-20 shrink-0 max-lg:hidden',
    cell: (device) => <span className={cn(device.drift?.alerting === true && 'font-medium text-warn')}>{formatNumber(device.drift?.effect)}</span>,
  },
  { key: 'seen', name: 'Last seen', numeric: true, className: 'w-28 shrink-0 max-xl:hidden', cell: (device) => <Ago at={device.lastSeenAt} className={dim} /> },
];

const rowPx = 40;

/** Only the rows that can be seen exist; the page itself scrolls. */
function DeviceTable({ devices, sort, desc }: { devices: readonly Device[]; sort: SortKey; desc: boolean }) {
  const scroller = useRef<HTMLDivElement>(null);
  const [height, setHeight] = useState(600);
  useLayoutEffect(() => {
    const fit = (): void => setHeight(Math.max(320, globalThis.innerHeight - (scroller.current?.getBoundingClientRect().top ?? 240) - 40));
    fit();
    globalThis.addEventListener('resize', fit);
    return () => globalThis.removeEventListener('resize', fit);
  }, []);
  const rows = useVirtualizer({ count: devices.length, getScrollElement: () => scroller.current, estimateSize: () => rowPx, overscan: 12 });
  return (
    <div ref={scroller} className="overflow-auto" style={{ maxHeight: height }} tabIndex={0} role="region" aria-label="Devices, scrollable">
      <div role="table" aria-label="Devices" aria-rowcount={devices.length + 1} className="min-w-[21.5rem]">
        <div role="rowgroup" className="sticky top-0 z-1 bg-surface">
          <div role="row" aria-rowindex={1} className="flex h-9 items-center gap-2 border-b border-line px-3 sm:gap-4 sm:px-4">
            {columns.map((column) => (
              <div
                key={column.key}
                role="columnheader"
                aria-sort={sort === column.key ? (desc ? 'descending' : 'ascending') : 'none'}
                className={cn(column.className, column.numeric && 'text-right')}
              >
                <SortLink column={column} sort={sort} desc={desc} />
              </div>
            ))}
          </div>
        </div>
        <div role="rowgroup" className="relative" style={{ height: rows.getTotalSize() }}>
          {rows.getVirtualItems().map((item) => {
            const device = devices[item.index];
            if (device === undefined) return null;
            return (
              <div
                key={device.id}
                role="row"
                aria-rowindex={item.index + 2}
                data-testid={`row-${device.id}`}
                data-version={device.models[0]?.version ?? ''}
                data-state={deviceHealth(device)}
                className="absolute inset-x-0 top-0 flex items-center gap-2 border-b border-line px-3 sm:gap-4 sm:px-4 text-sm hover:bg-hover"
                style={{ height: rowPx, transform: `translateY(${item.start}px)` }}
              >
                {columns.map((column) => (
                  <div key={column.key} role="cell" className={cn(column.className, column.numeric && 'text-right tabular-nums')}>
                    {column.cell(device)}
                  </div>
                ))}
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}

function SortLink({ column, sort, desc }: { column: Column; sort: SortKey; desc: boolean }) {
  const active = sort === column.key;
  // Figures are worth reading from the largest down, names from the first up.
  const next = active ? !desc : column.numeric;
  return (
    <Link
      from="/devices"
      to="/devices"
      search={({ sort: _, desc: __, ...before }) => ({ ...before, sort: column.key, ...(next ? { desc: true } : {}) })}
      replace
      aria-label={`Sort by ${humanise(column.name).toLowerCase()}, ${next ? 'descending' : 'ascending'}`}
      className={cn('inline-flex items-center gap-1 text-xs font-medium hover:text-ink', active ? 'text-ink' : 'text-ink-3')}
    >
      {column.name}
      {active && (desc ? <ChevronDown className="size-3" aria-hidden /> : <ChevronUp className="size-3" aria-hidden />)}
    </Link>
  );
}
