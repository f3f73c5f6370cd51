import { useNavigate, Link } from '@tanstack/react-router';
import { ChevronRight } from 'lucide-react';
import { useEffect, useRef } from 'react';
import { columnRole, type ColumnSummary, type DatasetVersionDetail } from '@serin/protocol/api/datasets';
import { BarList } from '../charts/bar-list.tsx';
import { ColumnChart, ColumnSpark } from '../charts/column-chart.tsx';
import { columnSorts, findColumns, leakAssociation, missingShare, roleWords, topShares, typeWords, type ColumnSort } from '../domain/data-view.ts';
import { formatCount, formatNumber, formatPercent, plural } from '../domain/format.ts';
import type { DatasetVersionSearch } from '../domain/search.ts';
import { Badge } from '../ui/badge.tsx';
import { cn } from '../ui/cn.ts';
import { SelectField } from '../ui/field.tsx';
import { Empty, Fact, Facts, Panel, PanelHead } from '../ui/panel.tsx';
import { SearchField } from '../ui/search-field.tsx';

const sortWords: Record<ColumnSort, string> = {
  order: 'as in the file',
  name: 'by name',
  missing: 'most missing first',
  distinct: 'most distinct first',
  association: 'most about the label first',
};

/** At most this many rows are drawn; beyond it the filters narrow the list. */
const shownMost = 200;

type Change = { [Key in keyof DatasetVersionSearch]?: DatasetVersionSearch[Key] | undefined };

/** Every column at a glance; the one named in the address is open. */
export function Columns({ version, search }: { version: DatasetVersionDetail; search: DatasetVersionSearch }) {
  const navigate = useNavigate({ from: '/data/$name/$version' });
  const change = (next: Change): void => {
    void navigate({
      search: (before) => Object.fromEntries(Object.entries({ ...before, ...next }).filter(([, value]) => value !== undefined && value !== '')),
      replace: true,
      resetScroll: false,
    });
  };
  const found = findColumns(version.columns, search);
  const roles = columnRole.options.filter((role) => version.columns.some((column) => column.role === role));
  return (
    <Panel aria-labelledby="columns" className="min-w-0 overflow-hidden max-lg:order-1">
      <PanelHead
        id="columns"
        title="Columns"
        note={found.length === version.columns.length ? formatCount(found.length) : `${formatCount(found.length)} of ${formatCount(version.columns.length)}`}
      >
        <SearchField label="Name of the column" placeholder="Name" value={search.q ?? ''} onChange={(q) => change({ q })} narrow />
        <SelectField label="Role" hideLabel value={search.role ?? ''} onChange={(event) => change({ role: roles.find((role) => role === event.target.value) })}>
          <option value="">Any role</option>
          {roles.map((role) => (
            <option key={role} value={role}>
              {roleWords[role]}
            </option>
          ))}
        </SelectField>
        <SelectField
          label="Order"
          hideLabel
          value={search.sort ?? 'order'}
          onChange={(event) => change({ sort: columnSorts.find((sort) => sort !== 'order' && sort === event.target.value) })}
        >
          {columnSorts.map((sort) => (
            <option key={sort} value={sort}>
              {sortWords[sort]}
            </option>
          ))}
        </SelectField>
      </PanelHead>
      {version.columns.length === 0 && <Empty title="No columns">A dataset of pictures has folders instead.</Empty>}
      {version.columns.length > 0 && found.length === 0 && <Empty title="No column matches" />}
      {found.length > 0 && (
        <div aria-hidden className={cn('hidden h-8 items-center gap-x-4 border-b border-line px-4 text-xs font-medium text-ink-3 md:grid', rowGrid)}>
          <span className="col-start-2">Column</span>
          <span>Values</span>
          <span className="text-right">Missing</span>
          <span className="text-right lg:max-xl:hidden">Distinct</span>
          <span className="text-right">About the label</span>
        </div>
      )}
      <ul className="divide-y divide-line">
        {found.slice(0, shownMost).map((column) => (
          <ColumnRow key={column.name} column={column} open={search.column === column.name} />
        ))}
      </ul>
      {found.length > shownMost && (
        <p className="border-t border-line px-4 py-2.5 text-xs text-ink-3">The first {shownMost}; narrow the list by its filters.</p>
      )}
    </Panel>
  );
}

/** Beside the other panels of a small desktop there is no room for the count of distinct values. */
const rowGrid = 'md:grid-cols-[1rem_minmax(0,1fr)_7rem_4.5rem_4.5rem_6.5rem] lg:max-xl:grid-cols-[1rem_minmax(0,1fr)_5rem_4rem_5.5rem]';

const barsMost = 12;

/** Values that come once each, as ids do, have no shape to see. */
function repeatedCounts({ top }: ColumnSummary): number[] {
  const counts = top.slice(0, barsMost).map(({ count }) => count);
  return counts.every((count) => count <= 1) ? [] : counts;
}

function ColumnRow({ column, open }: { column: ColumnSummary; open: boolean }) {
  const missing = missingShare(column);
  const row = useRef<HTMLLIElement>(null);
  // A link from an anomaly leads here: the column that it names comes into view.
  useEffect(() => {
    if (open) row.current?.scrollIntoView({ block: 'nearest' });
  }, [open]);
  return (
    <li ref={row} className="scroll-mt-16" data-testid={`column-${column.name}`}>
      <Link
        from="/data/$name/$version"
        to="/data/$name/$version"
        search={({ column: _, ...before }) => (open ? before : { ...before, column: column.name })}
        resetScroll={false}
        aria-expanded={open}
        className={cn('grid grid-cols-[1rem_minmax(0,1fr)_auto] items-center gap-x-4 px-4 py-2 text-sm hover:bg-hover', rowGrid)}
      >
        <ChevronRight className={cn('size-4 text-ink-3 transition-transform', open && 'rotate-90')} aria-hidden />
        <span className="flex min-w-0 items-center gap-2">
          <span className="truncate font-medium">{column.name}</span>
          {column.role !== 'feature' && <Badge tone={column.role === 'label' ? 'info' : 'idle'}>{roleWords[column.role]}</Badge>}
          <span className="truncate text-xs text-ink-3 max-md:hidden lg:max-xl:hidden">{typeWords[column.type]}</span>
        </span>
        <ColumnSpark
          counts={column.numbers === null ? repeatedCounts(column) : column.numbers.counts}
          color={column.numbers === null ? 'var(--series-4)' : 'var(--series-1)'}
          className="h-6 w-20 md:w-full"
        />
        <span className={cn('hidden text-right tabular-nums md:block', missing >= 0.2 ? 'font-medium text-warn' : missing === 0 && 'text-ink-3')}>
          <span className="sr-only">missing </span>
          {missing === 0 ? 'none' : formatPercent(missing)}
        </span>
        <span className="hidden text-right text-ink-2 tabular-nums md:block lg:max-xl:hidden">
          <span className="sr-only">distinct </span>
          {formatCount(column.distinct)}
        </span>
        <span className="hidden items-center justify-end gap-2 md:flex">
          <Association column={column} />
        </span>
      </Link>
      {open && <ColumnDetail column={column} />}
    </li>
  );
}

function Association({ column: { association } }: { column: ColumnSummary }) {
  if (association === null) return <span className="text-xs text-ink-3">not measured</span>;
  return (
    <>
      <span className="h-1.5 w-12 overflow-hidden rounded-full bg-sunken" aria-hidden>
        <span
          className={cn('block h-full rounded-full', association >= leakAssociation ? 'bg-bad' : 'bg-series-3')}
          style={{ width: `${Math.min(1, Math.max(0, association)) * 100}%` }}
        />
      </span>
      <span className={cn('w-9 text-right tabular-nums', association >= leakAssociation && 'font-medium text-bad')}>{association.toFixed(2)}</span>
    </>
  );
}

const quantileNames = ['1%', '5%', '25%', '50%', '75%', '95%', '99%'];

function ColumnDetail({ column }: { column: ColumnSummary }) {
  const { numbers, lengths } = column;
  const top = topShares(column);
  const most = Math.max(...top.map(({ share }) => share), 1e-9);
  return (
    <div className="grid gap-x-8 gap-y-5 border-t border-line bg-page px-4 py-4 md:grid-cols-[minmax(0,1.4fr)_minmax(0,1fr)] md:pl-12">
      <div className="flex min-w-0 flex-col gap-5">
        {numbers !== null && <ColumnChart name={column.name} numbers={numbers} />}
        {top.length > 0 && (
          <BarList
            title={top.length < column.distinct ? `The most frequent ${formatCount(top.length)} of ${formatCount(column.distinct)} values` : 'Its values'}
            head={['Value', 'Share']}
            color="var(--series-4)"
            bars={top.map(({ name, share }) => ({ name, length: share / most, value: formatPercent(share) }))}
          />
        )}
        {numbers === null && top.length === 0 && <p className="text-sm text-ink-3">No value of it is repeated often enough to be listed.</p>}
      </div>
      <Facts className="content-start">
        <Fact name="Type">{typeWords[column.type]}</Fact>
        <Fact name="Role">{roleWords[column.role]}</Fact>
        <Fact name="Missing">
          {formatCount(column.missing)} of {formatCount(column.count)}, {formatPercent(missingShare(column))}
        </Fact>
        <Fact name="Distinct">{plural(column.distinct, 'value')}</Fact>
        <Fact name="About the label">
          {column.association === null ? 'not measured' : `${column.association.toFixed(3)} of 1`}
          {column.association !== null && column.association >= leakAssociation && (
            <span className="block text-xs text-bad">so much that it may be the label itself</span>
          )}
        </Fact>
        {numbers !== null && (
          <>
            <Fact name="Mean ± deviation">
              {formatNumber(numbers.mean)} ± {formatNumber(numbers.deviation)}
            </Fact>
            <Fact name="Range">
              {formatNumber(numbers.min)} to {formatNumber(numbers.max)}
            </Fact>
            {numbers.quantiles.length === quantileNames.length && (
              <Fact name="Quantiles">
                <span className="grid grid-cols-[auto_auto] justify-end gap-x-4 text-xs">
                  {numbers.quantiles.map((value, index) => (
                    <span key={quantileNames[index]} className="contents">
                      <span className="text-ink-3">{quantileNames[index]}</span>
                      <span className="text-right tabular-nums">{formatNumber(value)}</span>
                    </span>
                  ))}
                </span>
              </Fact>
            )}
          </>
        )}
        {lengths !== null && (
          <Fact name="Letters">
            {formatCount(lengths.min)} to {formatCount(lengths.max)}, {formatNumber(lengths.mean)} on average
          </Fact>
        )}
      </Facts>
    </div>
  );
}
