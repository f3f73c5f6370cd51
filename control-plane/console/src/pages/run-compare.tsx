import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { ArrowLeftRight, ChevronRight, CircleCheck, CircleSlash } from 'lucide-react';
import type { Run, RunComparison, RunDetail } from '@serin/protocol/api/runs';
import { LineChart } from '../charts/line-chart.tsx';
import { comparisonQuery, runQuery } from '../data/data-queries.ts';
import { formatFull, formatMetric, humanise, plural, sentence } from '../domain/format.ts';
import { formatDifference, groupDifferences, isBetter, keyMetric, orderMetrics, pairSeries } from '../domain/run-view.ts';
import { buttonClass } from '../ui/button.tsx';
import { cn } from '../ui/cn.ts';
import { Empty, Page, Panel, PanelHead, Skeleton } from '../ui/panel.tsx';
import { Ago } from '../ui/time.tsx';
import { errorWords } from '../ui/toasts.ts';
import { KeyFigure, RunStatusBadge } from './run-parts.tsx';

const route = getRouteApi('/shell/runs/compare');

export function RunComparePage() {
  const { left, right } = route.useSearch();
  const chosen = left !== undefined && right !== undefined;
  const comparison = useQuery({ ...comparisonQuery(left ?? '', right ?? ''), enabled: chosen });
  return (
    <Page
      name="Two runs"
      title={
        <span className="flex flex-wrap items-baseline gap-x-2">
          <Link to="/runs" className="text-ink-3 hover:text-ink">
            Runs
          </Link>
          <ChevronRight className="size-4 self-center text-ink-3" aria-hidden />
          Two runs
        </span>
      }
      note="What is different about them, then what came of it"
      actions={
        chosen && (
          <Link to="/runs/compare" search={{ left: right, right: left }} replace className={buttonClass('plain')}>
            <ArrowLeftRight className="size-4 text-ink-2" aria-hidden />
            Swap
          </Link>
        )
      }
    >
      {(!chosen || comparison.isError) && (
        <Panel>
          <Empty
            title={chosen ? errorWords(comparison.error).title : 'Two runs are needed'}
            action={
              <Link to="/runs" className={buttonClass('primary')}>
                Choose two runs
              </Link>
            }
          >
            {chosen ? errorWords(comparison.error).hint : undefined}
          </Empty>
        </Panel>
      )}
      {chosen && comparison.isPending && <Skeleton className="h-72" />}
      {comparison.data !== undefined && <Comparison comparison={comparison.data} />}
    </Page>
  );
}

function Comparison({ comparison }: { comparison: RunComparison }) {
  return (
    <>
      <div className="grid gap-4 md:grid-cols-2">
        <Side run={comparison.left} name="Left" dashed={false} />
        <Side run={comparison.right} name="Right" dashed />
      </div>
      <SameWeights comparison={comparison} />
      <Differences comparison={comparison} />
      <Metrics comparison={comparison} />
      <Curves left={comparison.left.id} right={comparison.right.id} />
    </>
  );
}

const colors = { left: 'var(--series-1)', right: 'var(--series-2)' } as const;

function Side({ run, name, dashed }: { run: Run; name: string; dashed: boolean }) {
  return (
    <Panel aria-label={`${name} run`} className="flex flex-col gap-1.5 px-4 py-3">
      <p className="flex items-center gap-2">
        <svg viewBox="0 0 24 8" className="h-2 w-6" aria-hidden>
          <path d="M0 4h24" stroke={dashed ? colors.right : colors.left} strokeWidth="3" strokeDasharray={dashed ? '7 4' : undefined} />
        </svg>
        <span className="text-xs text-ink-3">{name}</span>
        <Link to="/runs/$id" params={{ id: run.id }} className="min-w-0 truncate text-sm font-semibold hover:underline">
          {run.model}
          {run.version !== null && ` v${run.version}`}
        </Link>
        <span className="ml-auto">
          <RunStatusBadge status={run.status} />
        </span>
      </p>
      <p className="flex flex-wrap items-baseline gap-x-4 text-sm">
        <KeyFigure run={run} />
        <span className="text-xs text-ink-3" title={formatFull(run.createdAt)}>
          <Ago at={run.createdAt} /> by {run.createdBy}
        </span>
      </p>
    </Panel>
  );
}

function SameWeights({ comparison: { sameWeights } }: { comparison: RunComparison }) {
  if (sameWeights === null) return <p className="text-sm text-ink-3">One of them has no weights to compare.</p>;
  return (
    <p
      data-testid="same-weights"
      data-same={sameWeights}
      className={cn('flex items-center gap-2 rounded-lg px-4 py-3 text-sm', sameWeights ? 'bg-ok-soft' : 'border border-line bg-surface')}
    >
      {sameWeights ? <CircleCheck className="size-4 shrink-0 text-ok" aria-hidden /> : <CircleSlash className="size-4 shrink-0 text-ink-3" aria-hidden />}
      {sameWeights ? (
        <span>
          <span className="font-semibold text-ok">The same weights,</span> to the last bit.
        </span>
      ) : (
        <span>
          <span className="font-semibold">Different weights.</span> Below is everything that was different when they were made.
        </span>
      )}
    </p>
  );
}

function Differences({ comparison: { differences } }: { comparison: RunComparison }) {
  return (
    <Panel aria-labelledby="differences" className="min-w-0 overflow-hidden">
      <PanelHead id="differences" title="Differences" note={differences.length === 0 ? 'none' : plural(differences.length, 'difference')} />
      {differences.length === 0 && <Empty title="Made of the same">Code, data, parameters, seed and environment are equal as far as they are recorded.</Empty>}
      {differences.length > 0 && (
        <table className="w-full text-sm">
          <caption className="sr-only">Differences, by kind</caption>
          <thead className="text-left text-xs text-ink-3">
            <tr className="border-b border-line">
              <th scope="col" className="w-1/3 px-4 py-2 font-medium">
                What
              </th>
              <th scope="col" className="px-2 py-2 font-medium">
                Left
              </th>
              <th scope="col" className="px-4 py-2 font-medium">
                Right
              </th>
            </tr>
          </thead>
          {groupDifferences(differences).map(({ name, items }) => (
            <tbody key={name} className="divide-y divide-line border-b border-line last:border-b-0">
              {(items.length > 1 || sentence(items[0]?.what ?? '') !== name) && (
                <tr>
                  <th scope="rowgroup" colSpan={3} className="eyebrow bg-sunken px-4 py-1.5 text-left">
                    {name}
                  </th>
                </tr>
              )}
              {items.map(({ what, left, right }) => (
                <tr key={what} className="align-baseline">
                  <th scope="row" className="px-4 py-2 text-left font-normal wrap-anywhere">
                    {name === 'Parameters' ? <span className="font-mono text-xs">{what}</span> : humanise(what)}
                  </th>
                  <td className="px-2 py-2 font-mono text-xs wrap-anywhere">{left}</td>
                  <td className="px-4 py-2 font-mono text-xs wrap-anywhere">{right}</td>
                </tr>
              ))}
            </tbody>
          ))}
        </table>
      )}
    </Panel>
  );
}

function Metrics({ comparison: { metrics, left } }: { comparison: RunComparison }) {
  const key = keyMetric(left);
  const order = orderMetrics(
    metrics.map(({ name }) => name),
    key,
  );
  const sorted = metrics.toSorted((one, other) => order.indexOf(one.name) - order.indexOf(other.name));
  return (
    <Panel aria-labelledby="metrics" className="min-w-0 overflow-hidden">
      <PanelHead id="metrics" title="Metrics" note="right minus left" />
      {sorted.length === 0 && <p className="p-4 text-sm text-ink-3">Neither was evaluated.</p>}
      {sorted.length > 0 && (
        <table className="w-full text-sm tabular-nums">
          <caption className="sr-only">Metrics of both runs</caption>
          <thead className="text-right text-xs text-ink-3">
            <tr className="border-b border-line">
              <th scope="col" className="px-4 py-2 text-left font-medium">
                Metric
              </th>
              <th scope="col" className="px-2 py-2 font-medium">
                Left
              </th>
              <th scope="col" className="px-2 py-2 font-medium">
                Right
              </th>
              <th scope="col" className="px-4 py-2 font-medium">
                Difference
              </th>
            </tr>
          </thead>
          <tbody className="divide-y divide-line">
            {sorted.map(({ name, left: one, right: other, difference }) => {
              // What is not to be seen in the figures themselves is not called better or worse.
              const alike = one !== null && other !== null && formatMetric(name, one) === formatMetric(name, other);
              const better = difference === null || alike ? null : isBetter(name, difference);
              return (
                <tr key={name} className="text-right">
                  <th scope="row" className={cn('px-4 py-2 text-left', name === key ? 'font-semibold' : 'font-normal text-ink-2')}>
                    {humanise(name)}
                  </th>
                  <td className="px-2 py-2">{one === null ? '–' : formatMetric(name, one)}</td>
                  <td className="px-2 py-2">{other === null ? '–' : formatMetric(name, other)}</td>
                  <td className={cn('px-4 py-2 font-medium', better === true ? 'text-ok' : better === false ? 'text-bad' : 'text-ink-3')}>
                    {difference === 0 ? 'the same' : alike ? 'about the same' : formatDifference(name, difference)}
                    {better !== null && <span className="ml-1.5 text-xs font-normal">{better ? 'better' : 'worse'}</span>}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
    </Panel>
  );
}

const none: RunDetail['series'] = [];

function Curves({ left, right }: { left: string; right: string }) {
  const { data: one } = useQuery(runQuery(left));
  const { data: other } = useQuery(runQuery(right));
  const pairs = pairSeries(one?.series ?? none, other?.series ?? none);
  if (pairs.length === 0) return null;
  return (
    <Panel aria-labelledby="curves">
      <PanelHead id="curves" title="How they learnt" />
      <div className="grid gap-x-8 gap-y-6 p-4 xl:grid-cols-2 [&>:only-child]:xl:col-span-2">
        {pairs.map((pair) => (
          <LineChart
            key={pair.name}
            title={humanise(pair.name)}
            lines={[
              { name: 'Left', color: colors.left, points: pair.left },
              { name: 'Right', color: colors.right, dashed: true, points: pair.right },
            ]}
          />
        ))}
      </div>
    </Panel>
  );
}
