import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { ChevronRight } from 'lucide-react';
import { modelName, type ModelName } from '@serin/protocol/ids';
import type { DatasetVersion } from '@serin/protocol/api/datasets';
import { datasetVersionsQuery, datasetsQuery } from '../data/data-queries.ts';
import { isBatchAlone } from '../domain/data-view.ts';
import { formatBytes, formatCount, formatFull, humanise, plural, sentence } from '../domain/format.ts';
import { buttonClass } from '../ui/button.tsx';
import { cn } from '../ui/cn.ts';
import { CopyLine } from '../ui/copy-line.tsx';
import { Empty, Page, Panel, PanelHead, Skeleton } from '../ui/panel.tsx';
import { StateMark } from '../ui/state-mark.tsx';
import { Ago } from '../ui/time.tsx';
import { VersionStatusBadge } from './data-parts.tsx';
import { Sources } from './sources.tsx';

const route = getRouteApi('/shell/data/$name');

export function DatasetPage() {
  const { name } = route.useParams();
  const { data: datasets } = useQuery(datasetsQuery);
  const parsed = modelName.safeParse(name);
  const dataset = datasets?.find((each) => each.name === name);
  if (datasets === undefined) {
    return (
      <Page title={name}>
        <Skeleton className="h-72" />
      </Page>
    );
  }
  if (dataset === undefined || !parsed.success) {
    return (
      <Page title={name}>
        <Panel>
          <Empty
            title="There is no dataset by that name"
            action={
              <Link to="/data" className="text-sm font-medium text-link hover:underline">
                See all datasets
              </Link>
            }
          />
        </Panel>
      </Page>
    );
  }
  return (
    <Page
      name={name}
      title={
        <span className="flex items-baseline gap-2">
          <Link to="/data" className="text-ink-3 hover:text-ink">
            Data
          </Link>
          <ChevronRight className="size-4 self-center text-ink-3" aria-hidden />
          {name}
        </span>
      }
      note={`${humanise(dataset.kind)}, ${plural(dataset.versions, 'version')}, newest usable ${dataset.latest === null ? 'none yet' : `v${dataset.latest} with ${plural(dataset.rows, 'row')}`}`}
      actions={
        dataset.latest !== null && (
          <Link to="/data/$name/$version" params={{ name, version: String(dataset.latest) }} className={buttonClass('plain')}>
            Look at v{dataset.latest}
          </Link>
        )
      }
    >
      <Versions name={parsed.data} latest={dataset.latest} />
      <DatasetSources name={parsed.data} />
    </Page>
  );
}

function DatasetSources({ name }: { name: ModelName }) {
  const { source } = route.useSearch();
  const navigate = route.useNavigate();
  return (
    <Sources
      dataset={name}
      open={source}
      onOpen={(next) => void navigate({ search: ({ source: _, ...before }) => (next === undefined ? before : { ...before, source: next }) })}
    />
  );
}

function Versions({ name, latest }: { name: ModelName; latest: number | null }) {
  const { data: versions } = useQuery(datasetVersionsQuery(name));
  const most = Math.max(1, ...(versions ?? []).map(({ rows }) => rows));
  return (
    <Panel aria-labelledby="versions" className="min-w-0 overflow-hidden">
      <PanelHead id="versions" title="Versions" note="newest first; a version never changes" />
      {versions === undefined && <Skeleton className="m-4 h-48" />}
      {versions?.length === 0 && (
        <Empty title="No version yet" action={<CopyLine label="command" text={`npm run serin -- data push ${name} data.csv --label COLUMN`} />}>
          The first batch becomes version 1 once it is checked.
        </Empty>
      )}
      <ol className="relative">
        {versions?.map((version, index) => (
          <VersionRow
            key={version.version}
            version={version}
            share={version.rows / most}
            isLatest={version.version === latest}
            isLast={index === versions.length - 1}
          />
        ))}
      </ol>
    </Panel>
  );
}

function VersionRow({ version, share, isLatest, isLast }: { version: DatasetVersion; share: number; isLatest: boolean; isLast: boolean }) {
  return (
    <li className="relative" data-testid={`version-${version.version}`} data-status={version.status}>
      {!isLast && <span className="absolute top-7 -bottom-3 left-[1.3125rem] w-px bg-line-strong" aria-hidden />}
      <Link
        to="/data/$name/$version"
        params={{ name: version.dataset, version: String(version.version) }}
        className="grid grid-cols-[0.75rem_minmax(0,1fr)_auto] items-start gap-x-4 px-4 py-3 hover:bg-hover md:grid-cols-[0.75rem_8.5rem_minmax(0,1fr)_10rem_9rem]"
      >
        <StateMark state={version.status} className="relative mt-1 rounded-full bg-surface" />
        <span className="flex flex-wrap items-center gap-2">
          <span className="font-mono text-sm font-medium">v{version.version}</span>
          <VersionStatusBadge status={version.status} />
        </span>
        <span className="min-w-0 text-sm max-md:order-4 max-md:col-span-2 max-md:col-start-2">
          {version.note !== '' && <span className="block truncate">{sentence(version.note)}</span>}
          <span className={cn('block', version.note === '' ? 'text-ink-2' : 'text-xs text-ink-3')}>
            {version.source === null ? `Brought by ${version.createdBy}` : `From the source ${version.source}`}
            {version.parent !== null && `, adds to v${version.parent}`}
            {isLatest && ', what models learn from now'}
            {version.decision !== null &&
              (version.decision.note === '' ? `, decided by ${version.decision.by}` : `; ${version.decision.by}: “${version.decision.note}”`)}
          </span>
        </span>
        <span className="text-right text-sm max-md:hidden">
          <span className="tabular-nums">
            {formatCount(version.rows)} rows{isBatchAlone(version) && ' in the batch'}
          </span>
          <span className="mt-1 flex h-1 justify-end rounded-full bg-sunken" aria-hidden>
            <span
              className={cn('h-full rounded-full', version.status === 'READY' ? 'bg-series-1' : 'bg-reference')}
              style={{ width: `${Math.max(1, share * 100)}%` }}
            />
          </span>
          <span className="text-xs text-ink-3">{formatBytes(version.bytes)}</span>
        </span>
        <span className="text-right text-xs text-ink-3">
          <span title={formatFull(version.createdAt)}>
            <Ago at={version.createdAt} />
          </span>
          {version.errors + version.warnings > 0 && (
            <span className="block">
              {version.errors > 0 && <span className="font-medium text-bad">{plural(version.errors, 'error')}</span>}
              {version.errors > 0 && version.warnings > 0 && ', '}
              {version.warnings > 0 && plural(version.warnings, 'warning')}
            </span>
          )}
        </span>
      </Link>
    </li>
  );
}
