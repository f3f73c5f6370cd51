import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { ChevronRight } from 'lucide-react';
import type { Dataset } from '@serin/protocol/api/datasets';
import { datasetsQuery } from '../data/data-queries.ts';
import { formatBytes, formatCount, humanise, plural } from '../domain/format.ts';
import type { DataSearch } from '../domain/search.ts';
import { Badge } from '../ui/badge.tsx';
import { buttonClass } from '../ui/button.tsx';
import { cn } from '../ui/cn.ts';
import { CopyLine } from '../ui/copy-line.tsx';
import { Empty, Page, Panel, Skeleton } from '../ui/panel.tsx';
import { Segmented } from '../ui/segmented.tsx';
import { StateMark } from '../ui/state-mark.tsx';
import { SearchField } from '../ui/search-field.tsx';
import { Sources } from './sources.tsx';

const route = getRouteApi('/shell/data');

export function DataPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { data: datasets } = useQuery(datasetsQuery);
  const needle = search.q?.trim().toLowerCase() ?? '';
  const shown = datasets?.filter(({ name, kind }) => name.includes(needle) && (search.kind === undefined || kind === search.kind));
  const held = datasets?.reduce((sum, { quarantined }) => sum + quarantined, 0) ?? 0;
  return (
    <Page
      title="Data"
      note={
        datasets === undefined ? 'Loading…' : `${plural(datasets.length, 'dataset')}${held === 0 ? '' : `, ${plural(held, 'batch', 'batches')} in quarantine`}`
      }
    >
      {datasets !== undefined && datasets.length > 0 && <Filters search={search} />}
      <Panel aria-label="Datasets" className="min-w-0 overflow-hidden">
        {shown === undefined && <Skeleton className="m-4 h-48" />}
        {datasets?.length === 0 && (
          <Empty title="No dataset yet" action={<CopyLine label="command" text="npm run serin -- data push NAME data.csv --label COLUMN" />}>
            Push a file, and it is checked, described and kept as a version that never changes.
          </Empty>
        )}
        {datasets !== undefined && datasets.length > 0 && shown?.length === 0 && (
          <Empty
            title="No dataset matches"
            action={
              <Link to="/data" search={{}} className={buttonClass('plain')}>
                Clear the filters
              </Link>
            }
          />
        )}
        {shown !== undefined && shown.length > 0 && <DatasetTable datasets={shown} />}
      </Panel>
      <Sources
        open={search.source}
        onOpen={(source) => void navigate({ search: ({ source: _, ...before }) => (source === undefined ? before : { ...before, source }) })}
      />
    </Page>
  );
}

function Filters({ search }: { search: DataSearch }) {
  const navigate = route.useNavigate();
  return (
    <div role="search" aria-label="Filter datasets" className="flex flex-wrap items-center gap-2">
      <SearchField
        label="Name of the dataset"
        placeholder="Name"
        value={search.q ?? ''}
        onChange={(text) => void navigate({ search: ({ q: _, ...before }) => (text === '' ? before : { ...before, q: text }), replace: true })}
      />
      <Segmented
        label="Kind"
        value={search.kind ?? 'all'}
        options={[
          { value: 'all', label: 'All' },
          { value: 'table', label: 'Tables' },
          { value: 'text', label: 'Texts' },
          { value: 'images', label: 'Pictures' },
        ]}
        onChange={(kind) => void navigate({ search: ({ kind: _, ...before }) => (kind === 'all' ? before : { ...before, kind }), replace: true })}
      />
    </div>
  );
}

const rowGrid = 'md:grid-cols-[minmax(0,1fr)_5rem_5rem_7rem_6rem_6rem_8rem_1rem]';

function DatasetTable({ datasets }: { datasets: readonly Dataset[] }) {
  return (
    <>
      <div aria-hidden className={cn('hidden h-9 items-center gap-x-4 border-b border-line px-4 text-xs font-medium text-ink-3 md:grid', rowGrid)}>
        <span>Dataset</span>
        <span>Kind</span>
        <span className="text-right">Latest</span>
        <span className="text-right">Rows</span>
        <span className="text-right">Size</span>
        <span className="text-right">Sources</span>
        <span>Quarantine</span>
      </div>
      <ul className="divide-y divide-line">
        {datasets.map((dataset) => (
          <li key={dataset.name}>
            <Link
              to="/data/$name"
              params={{ name: dataset.name }}
              data-testid={`dataset-${dataset.name}`}
              className={cn('grid grid-cols-[minmax(0,1fr)_auto_1rem] items-center gap-x-4 gap-y-1 px-4 py-2.5 text-sm hover:bg-hover', rowGrid)}
            >
              <span className="flex min-w-0 flex-col md:block">
                <span className="truncate font-medium">{dataset.name}</span>
                <span className="text-xs text-ink-3 md:hidden">
                  {humanise(dataset.kind)}, {formatCount(dataset.rows)} rows, {formatBytes(dataset.bytes)}
                </span>
              </span>
              <span className="hidden text-ink-2 md:block">{humanise(dataset.kind)}</span>
              <span className="hidden text-right font-mono text-xs md:block">
                {dataset.latest === null ? <span className="text-ink-3">none</span> : `v${dataset.latest}`}
              </span>
              <span className="hidden text-right tabular-nums md:block">
                {formatCount(dataset.rows)}
                <span className="sr-only"> rows</span>
              </span>
              <span className="hidden text-right text-ink-2 tabular-nums md:block">{formatBytes(dataset.bytes)}</span>
              <span className="hidden text-right text-ink-2 tabular-nums md:block">
                {dataset.sources === 0 ? <span className="text-ink-3">none</span> : formatCount(dataset.sources)}
                <span className="sr-only"> sources</span>
              </span>
              <span>
                {dataset.quarantined > 0 && (
                  <Badge tone="warn" icon={<StateMark state="QUARANTINED" className="size-2.5" />}>
                    {dataset.quarantined} quarantined
                  </Badge>
                )}
              </span>
              <ChevronRight className="size-4 text-ink-3" aria-hidden />
            </Link>
          </li>
        ))}
      </ul>
    </>
  );
}
