import { getRouteApi, Link } from '@tanstack/react-router';
import type { RunDetail } from '@serin/protocol/api/runs';
import { IntervalChart } from '../charts/interval-chart.tsx';
import { ScatterChart } from '../charts/scatter-chart.tsx';
import { formatCount, formatMetric, formatNumber, formatPercent, humanise, plural } from '../domain/format.ts';
import { confusionShares, groupSlices, keyMetric, searchedParameters, sliceVerdict, sortTrials, trialDots } from '../domain/run-view.ts';
import { cn } from '../ui/cn.ts';
import { SelectField } from '../ui/field.tsx';
import { Panel, PanelHead } from '../ui/panel.tsx';

const route = getRouteApi('/shell/runs/$id');

/** The same metric on parts of the records, so that a good average hides nobody. */
export function Slices({ run }: { run: RunDetail }) {
  const { slice: wanted } = route.useSearch();
  const metric = keyMetric(run) ?? 'metric';
  const groups = groupSlices(run.slices, metric);
  const shown = groups.find(({ column }) => column === wanted) ?? groups[0];
  const worse = run.slices.filter((slice) => sliceVerdict(slice, metric) === 'worse');
  if (shown === undefined) return null;
  const answered = shown.slices.filter((slice) => slice.answered !== null);
  return (
    <Panel aria-labelledby="slices" className="min-w-0">
      <PanelHead
        id="slices"
        title="Slices"
        note={worse.length === 0 ? 'none is clearly worse than the rest' : `${plural(worse.length, 'value is', 'values are')} clearly worse than the rest`}
      >
        {groups.length > 1 && (
          <nav aria-label="Column of the slices" className="flex flex-wrap gap-1">
            {groups.map(({ column, slices }) => (
              <Link
                key={column}
                from="/runs/$id"
                to="/runs/$id"
                search={(before) => ({ ...before, slice: column })}
                replace
                resetScroll={false}
                aria-current={column === shown.column ? 'true' : undefined}
                className={cn(
                  'inline-flex items-center gap-1.5 rounded-sm px-2 py-1 text-xs font-medium',
                  column === shown.column ? 'bg-hover text-ink' : 'text-ink-2 hover:bg-hover',
                )}
              >
                {column}
                {slices.some((slice) => sliceVerdict(slice, metric) === 'worse') && (
                  <svg viewBox="0 0 12 12" className="size-2.5" role="img" aria-label="has a worse one">
                    <path d="M6 11 1 2h10Z" fill="var(--bad)" />
                  </svg>
                )}
              </Link>
            ))}
          </nav>
        )}
      </PanelHead>
      <div className="flex flex-col gap-4 p-4">
        <IntervalChart title={`${humanise(metric)} by ${shown.column}`} metric={metric} slices={shown.slices} overall={run.metrics[metric] ?? null} />
        {answered.length > 0 && (
          <details className="text-sm">
            <summary className="text-xs font-medium text-ink-2">How often the class was there, and how often it was answered</summary>
            <table className="mt-2 w-full text-xs tabular-nums">
              <thead>
                <tr className="border-b border-line text-right text-ink-3">
                  <th scope="col" className="py-1.5 text-left font-medium">
                    {shown.column}
                  </th>
                  <th scope="col" className="font-medium">
                    In truth
                  </th>
                  <th scope="col" className="font-medium">
                    Answered
                  </th>
                </tr>
              </thead>
              <tbody className="divide-y divide-line">
                {answered.map(({ value, positives, answered: told }) => (
                  <tr key={value} className="text-right">
                    <th scope="row" className="py-1.5 text-left font-normal">
                      {value === '' ? '(empty)' : value}
                    </th>
                    <td>{formatPercent(positives)}</td>
                    <td>{told === null ? '–' : `${formatPercent(told.value)} (${formatPercent(told.low)} to ${formatPercent(told.high)})`}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </details>
        )}
      </div>
    </Panel>
  );
}

const labelsShown = 12;

export function Confusion({ confusion: { labels, counts } }: { confusion: NonNullable<RunDetail['confusion']> }) {
  const shares = confusionShares(counts);
  const shown = labels.slice(0, labelsShown);
  return (
    <Panel aria-labelledby="confusion" className="min-w-0 overflow-hidden">
      <PanelHead
        id="confusion"
        title="Confusion"
        note={labels.length > labelsShown ? `the first ${labelsShown} of ${labels.length} labels` : 'rows are the truth, columns the answers'}
      />
      <div className="overflow-x-auto p-4" role="region" aria-label="Confusion, scrollable" tabIndex={0}>
        <table className="text-xs tabular-nums">
          <caption className="sr-only">Records by their true label and by the answer</caption>
          <thead>
            <tr>
              <th scope="col" className="pr-3 text-left font-medium text-ink-3">
                truth \ answer
              </th>
              {shown.map((label) => (
                <th key={label} scope="col" className="max-w-28 min-w-20 truncate px-2 py-1.5 font-medium text-ink-2">
                  {label}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((label, row) => (
              <tr key={label}>
                <th scope="row" className="max-w-36 truncate pr-3 text-left font-medium text-ink-2">
                  {label}
                </th>
                {shown.map((answer, column) => {
                  const share = shares[row]?.[column] ?? 0;
                  return (
                    <td key={answer} className="relative border border-line px-2 py-2 text-center">
                      <span className={cn('absolute inset-0', row === column ? 'bg-series-1' : 'bg-series-2')} style={{ opacity: share * 0.28 }} aria-hidden />
                      <span className="relative font-medium">{formatCount(counts[row]?.[column] ?? 0)}</span>
                      <span className="relative block text-2xs text-ink-2">{formatPercent(share)}</span>
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

const trialsShown = 10;
const stateWords = { waiting: 'waiting', running: 'running', done: 'done', stopped: 'stopped early', failed: 'failed' } as const;

/** Which parameters were tried and what came of them. */
export function Trials({ run, metric }: { run: RunDetail; metric: string }) {
  const { over } = route.useSearch();
  const navigate = route.useNavigate();
  const sorted = sortTrials(run.trials, metric);
  const best = sorted[0]?.metric == null ? undefined : sorted[0].id;
  const searched = searchedParameters(run.trials);
  const numeric = [...searched.filter((name) => trialDots(run.trials, name).length > 1), 'budget'];
  const parameter = numeric.find((name) => name === over) ?? numeric[0] ?? 'budget';
  const dots = trialDots(run.trials, parameter);
  const whole = run.trials.filter(({ budget, state }) => budget >= 1 && state === 'done').length;
  return (
    <Panel aria-labelledby="trials" className="min-w-0 overflow-hidden">
      <PanelHead id="trials" title="Search" note={`${plural(run.trials.length, 'trial')}, ${formatCount(whole)} trained to the end`}>
        <SelectField
          label="Over"
          hideLabel
          value={parameter}
          onChange={(event) => void navigate({ search: (before) => ({ ...before, over: event.target.value }), replace: true, resetScroll: false })}
        >
          {numeric.map((name) => (
            <option key={name} value={name}>
              over {name === 'budget' ? 'the share of the training' : name}
            </option>
          ))}
        </SelectField>
      </PanelHead>
      {dots.length > 0 && (
        <div className="p-4">
          <ScatterChart title={`${humanise(metric)} over ${parameter}`} parameter={parameter} metric={metric} dots={dots} best={best} />
        </div>
      )}
      <div className="overflow-x-auto border-t border-line" role="region" aria-label="Trials, scrollable" tabIndex={0}>
        <table className="w-full text-xs tabular-nums">
          <caption className="sr-only">The best trials</caption>
          <thead>
            <tr className="border-b border-line text-left text-ink-3">
              <th scope="col" className="px-4 py-2 font-medium">
                Trial
              </th>
              <th scope="col" className="px-2 py-2 text-right font-medium">
                {humanise(metric)}
              </th>
              <th scope="col" className="px-2 py-2 text-right font-medium">
                Trained
              </th>
              {searched.map((name) => (
                <th key={name} scope="col" className="px-2 py-2 text-right font-mono font-medium">
                  {name}
                </th>
              ))}
              <th scope="col" className="px-4 py-2 font-medium">
                State
              </th>
            </tr>
          </thead>
          <tbody className="divide-y divide-line">
            {sorted.slice(0, trialsShown).map((trial) => (
              <tr key={trial.id} className={cn(trial.id === best && 'bg-hover font-medium')}>
                <td className="px-4 py-1.5">{trial.id === best ? `${trial.id}, best` : trial.id}</td>
                <td className="px-2 py-1.5 text-right">{trial.metric === null ? '–' : formatMetric(metric, trial.metric)}</td>
                <td className="px-2 py-1.5 text-right">{formatPercent(trial.budget, 0)}</td>
                {searched.map((name) => (
                  <td key={name} className="px-2 py-1.5 text-right">
                    {parameterWords(trial.parameters[name])}
                  </td>
                ))}
                <td className="px-4 py-1.5 whitespace-nowrap">{stateWords[trial.state]}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {sorted.length > trialsShown && (
        <p className="border-t border-line px-4 py-2 text-xs text-ink-3">The best {trialsShown}; the chart's table has them all.</p>
      )}
    </Panel>
  );
}

function parameterWords(value: number | string | boolean | null | undefined): string {
  if (value === undefined || value === null) return '–';
  return typeof value === 'number' ? formatNumber(value) : String(value);
}
