import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { GitCompareArrows, X } from 'lucide-react';
import { runStatus, type Run } from '@serin/protocol/api/runs';
import { runsMax, runsQuery } from '../data/data-queries.ts';
import { formatCount, formatFull, plural } from '../domain/format.ts';
import { filterRuns, pickRun, runStatusWords } from '../domain/run-view.ts';
import type { RunsSearch } from '../domain/search.ts';
import { Button, buttonClass } from '../ui/button.tsx';
import { cn } from '../ui/cn.ts';
import { CopyLine } from '../ui/copy-line.tsx';
import { SelectField } from '../ui/field.tsx';
import { Empty, Page, Panel, Skeleton } from '../ui/panel.tsx';
import { StateMark } from '../ui/state-mark.tsx';
import { Ago, Elapsed } from '../ui/time.tsx';
import { SearchField } from '../ui/search-field.tsx';
import { DataLink, KeyFigure, RunTabs } from './run-parts.tsx';

const route = getRouteApi('/shell/runs');

type Change = { [Key in keyof RunsSearch]?: RunsSearch[Key] | undefined };

function useChange(): (next: Change) => void {
  const navigate = route.useNavigate();
  return (next) =>
    void navigate({
      search: (before) => Object.fromEntries(Object.entries({ ...before, ...next }).filter(([, value]) => value !== undefined && value !== '')),
      replace: true,
      resetScroll: false,
    });
}

export function RunsPage() {
  const search = route.useSearch();
  const { data: runs } = useQuery(runsQuery);
  const shown = runs === undefined ? undefined : filterRuns(runs, search);
  const running = runs?.filter(({ status }) => status === 'RUNNING').length ?? 0;
  return (
    <Page
      title="Runs"
      note={
        runs === undefined
          ? 'Loading…'
          : runs.length >= runsMax
            ? `The newest ${formatCount(runsMax)}; older ones are found by their address`
            : `${plural(runs.length, 'run')}${running === 0 ? '' : `, ${formatCount(running)} going on`}`
      }
    >
      <RunTabs at="runs" />
      {runs !== undefined && runs.length > 0 && <Filters runs={runs} search={search} />}
      <Panel aria-label="Runs" className="min-w-0">
        {shown === undefined && <Skeleton className="m-4 h-64" />}
        {runs?.length === 0 && (
          <Empty title="Nothing has been run yet" action={<CopyLine label="command" text="npm run serin -- pipeline run pipeline.json" />}>
            A run keeps what it was made of: data, code, parameters, seed and machine. So it can be repeated.
          </Empty>
        )}
        {runs !== undefined && runs.length > 0 && shown?.length === 0 && (
          <Empty
            title="No run matches"
            action={
              <Link to="/runs" search={{}} className={buttonClass('plain')}>
                Clear the filters
              </Link>
            }
          />
        )}
        {shown !== undefined && shown.length > 0 && <RunTable runs={shown} />}
      </Panel>
      <PickBar runs={runs ?? []} />
    </Page>
  );
}

const namesOf = (names: readonly (string | null)[]): string[] => [...new Set(names.filter((name) => name !== null))].toSorted();

function Filters({ runs, search }: { runs: readonly Run[]; search: RunsSearch }) {
  const change = useChange();
  const filtered = search.q !== undefined || search.model !== undefined || search.pipeline !== undefined || search.status !== undefined;
  return (
    <div role="search" aria-label="Filter runs" className="flex flex-wrap items-center gap-2">
      <SearchField label="Model, dataset, person or id" value={search.q ?? ''} onChange={(q) => change({ q })} />
      <SelectField label="Model" hideLabel value={search.model ?? ''} onChange={(event) => change({ model: event.target.value })}>
        <option value="">Any model</option>
        {namesOf(runs.map(({ model }) => model)).map((name) => (
          <option key={name}>{name}</option>
        ))}
      </SelectField>
      <SelectField label="Pipeline" hideLabel value={search.pipeline ?? ''} onChange={(event) => change({ pipeline: event.target.value })}>
        <option value="">Any pipeline</option>
        {namesOf(runs.map(({ pipeline }) => pipeline)).map((name) => (
          <option key={name}>{name}</option>
        ))}
      </SelectField>
      <SelectField
        label="Status"
        hideLabel
        value={search.status ?? ''}
        onChange={(event) => change({ status: runStatus.options.find((status) => status === event.target.value) })}
      >
        <option value="">Any status</option>
        {runStatus.options.map((status) => (
          <option key={status} value={status}>
            {runStatusWords[status]}
          </option>
        ))}
      </SelectField>
      {filtered && (
        <Button
          kind="quiet"
          icon={<X className="size-3.5" aria-hidden />}
          onClick={() => change({ q: undefined, model: undefined, pipeline: undefined, status: undefined })}
        >
          Clear
        </Button>
      )}
    </div>
  );
}

const picksOf = (pick: string | undefined): string[] => (pick === undefined ? [] : pick.split(',').filter((id) => id !== ''));

const heads = [
  { name: 'Model', className: '' },
  { name: 'Status', className: 'max-sm:hidden' },
  { name: 'Result, minus the baseline', className: '' },
  { name: 'Data', className: 'max-lg:hidden' },
  { name: 'Seed', className: 'text-right max-xl:hidden' },
  { name: 'Took', className: 'text-right max-md:hidden' },
  { name: 'Made', className: 'max-md:hidden' },
  { name: 'Begun', className: 'text-right max-sm:hidden' },
] as const;

function RunTable({ runs }: { runs: readonly Run[] }) {
  return (
    <table className="w-full text-sm">
      <caption className="sr-only">Runs, newest first</caption>
      <thead>
        <tr className="border-b border-line text-left text-xs text-ink-3">
          <th scope="col" className="w-10 py-2 pl-4 font-medium">
            <span className="sr-only">Compare</span>
          </th>
          {heads.map(({ name, className }) => (
            <th key={name} scope="col" className={cn('px-2 py-2 font-medium last:pr-4', className)}>
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody className="divide-y divide-line">
        {runs.map((run) => (
          <RunRow key={run.id} run={run} />
        ))}
      </tbody>
    </table>
  );
}

function RunRow({ run }: { run: Run }) {
  const { pick } = route.useSearch();
  const change = useChange();
  const picked = picksOf(pick);
  const isPicked = picked.includes(run.id);
  return (
    <tr data-testid={`run-${run.id}`} data-status={run.status} className={cn('relative hover:bg-hover', isPicked && 'bg-hover')}>
      <td className="py-2.5 pl-4">
        <input
          type="checkbox"
          checked={isPicked}
          aria-label={`Compare the run of ${run.model} from ${formatFull(run.createdAt)}`}
          onChange={() => change({ pick: pickRun(picked, run.id).join(',') })}
          className="relative z-1 size-4 accent-(--ink) align-middle"
        />
      </td>
      <td className="max-w-48 px-2 py-2.5">
        <Link to="/runs/$id" params={{ id: run.id }} className="flex items-center gap-2 font-medium after:absolute after:inset-y-0 after:right-0 after:left-10">
          <StateMark state={run.status} className="sm:hidden" />
          <span className="truncate">{run.model}</span>
        </Link>
        <span className="block truncate text-xs text-ink-3">
          <span className="font-mono">{run.id.slice(0, 8)}</span>
          {run.pipeline !== null && run.pipeline !== run.model && `, pipeline ${run.pipeline}`}
          {run.repeats !== null && ', a repetition'}
        </span>
      </td>
      <td className="px-2 py-2.5 max-sm:hidden">
        <span className="inline-flex items-center gap-2 whitespace-nowrap">
          <StateMark state={run.status} />
          {runStatusWords[run.status]}
        </span>
      </td>
      <td className="px-2 py-2.5">
        <KeyFigure run={run} />
      </td>
      <td className="px-2 py-2.5 max-lg:hidden">
        <span className="relative z-1">
          <DataLink data={run.data} />
        </span>
      </td>
      <td className="px-2 py-2.5 text-right text-ink-2 max-xl:hidden">{run.seed}</td>
      <td className="px-2 py-2.5 text-right whitespace-nowrap text-ink-2 max-md:hidden">
        <Elapsed since={run.createdAt} until={run.finishedAt} />
      </td>
      <td className="px-2 py-2.5 max-md:hidden">
        {run.version === null ? (
          <span className="text-ink-3">–</span>
        ) : (
          <Link to="/models" search={{ model: run.model, version: run.version }} className="relative z-1 font-mono text-xs text-link hover:underline">
            v{run.version}
          </Link>
        )}
      </td>
      <td className="px-2 py-2.5 pr-4 text-right text-xs whitespace-nowrap text-ink-3 max-sm:hidden">
        <Ago at={run.createdAt} />
      </td>
    </tr>
  );
}

/** What is chosen, and where it leads once it is two. */
function PickBar({ runs }: { runs: readonly Run[] }) {
  const { pick } = route.useSearch();
  const change = useChange();
  const picked = picksOf(pick);
  if (picked.length === 0) return null;
  const [left, right] = picked;
  const words = (id: string): string => `${runs.find((run) => run.id === id)?.model ?? ''} ${id.slice(0, 8)}`.trim();
  return (
    <div
      role="region"
      aria-label="Chosen runs"
      className="sticky bottom-20 z-5 flex flex-wrap items-center gap-3 rounded-lg bg-raised px-4 py-2.5 shadow-float sm:bottom-5"
    >
      <p className="min-w-0 flex-1 truncate text-sm" role="status">
        {right === undefined ? `One is chosen, ${words(left ?? '')}; choose one more` : `Two are chosen: ${words(left ?? '')} and ${words(right)}`}
      </p>
      <Button kind="quiet" onClick={() => change({ pick: undefined })}>
        Clear
      </Button>
      {left !== undefined && right !== undefined ? (
        <Link to="/runs/compare" search={{ left, right }} className={buttonClass('primary')}>
          <GitCompareArrows className="size-4" aria-hidden />
          Compare
        </Link>
      ) : (
        <Button kind="primary" refusal="Choose two runs" icon={<GitCompareArrows className="size-4" aria-hidden />}>
          Compare
        </Button>
      )}
    </div>
  );
}
