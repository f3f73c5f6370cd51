import { intervalDomain, sliceVerdict, formatDifference, type SliceVerdict } from '../domain/run-view.ts';
import type { SliceReport } from '@serin/protocol/api/runs';
import { formatCount, formatMetric, formatNumber, humanise } from '../domain/format.ts';
import { linearScale, niceTicks } from '../domain/scale.ts';
import { ChartFrame } from './chart-frame.tsx';
import { useWidth } from './use-width.ts';

interface IntervalChartProps {
  title: string;
  metric: string;
  slices: readonly SliceReport[];
  /** Of all records: the line that every slice is seen against. */
  overall: number | null;
}

const rowHeight = 34;
const axisHeight = 22;
const top = 6;

const verdictColor: Record<SliceVerdict, string> = { worse: 'var(--bad)', better: 'var(--ok)', alike: 'var(--ink-2)' };
const verdictText: Record<SliceVerdict, string> = { worse: 'text-bad', better: 'text-ok', alike: 'text-ink-3' };

const intervalWords = (metric: string, { value, low, high }: SliceReport['metric']): string =>
  `${formatMetric(metric, value)} (${formatMetric(metric, low)} to ${formatMetric(metric, high)})`;
const differenceWords = (metric: string, { value, low, high }: SliceReport['difference']): string =>
  `${formatDifference(metric, value)} (${formatDifference(metric, low)} to ${formatDifference(metric, high)})`;

/** A dot and an interval for every value of a column; a filled triangle where it differs from everybody else. */
export function IntervalChart({ title, metric, slices, overall }: IntervalChartProps) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const domain = intervalDomain([...slices.map((slice) => slice.metric), ...(overall === null ? [] : [{ low: overall, high: overall }])]);
  const x = linearScale(domain, [8, Math.max(9, width - 8)]);
  const height = slices.length * rowHeight + axisHeight + top;
  return (
    <ChartFrame
      title={title}
      legend={
        <span className="inline-flex flex-wrap items-center gap-x-4 gap-y-1 text-ink-2">
          <Key shape="alike" words="like everybody else" />
          <Key shape="worse" words="worse" />
          <Key shape="better" words="better" />
        </span>
      }
      table={() => ({
        caption: title,
        head: ['Value', 'Records', `${humanise(metric)} and interval`, 'Minus everybody else'],
        rows: slices.map((slice) => [slice.value, formatCount(slice.count), intervalWords(metric, slice.metric), differenceWords(metric, slice.difference)]),
      })}
    >
      <div className="grid grid-cols-[minmax(4.5rem,9rem)_minmax(0,1fr)_auto] gap-x-3 text-xs">
        <ul className="contents">
          {slices.map((slice, index) => {
            const verdict = sliceVerdict(slice, metric);
            return (
              <li
                key={slice.value}
                className="contents"
                aria-label={`${slice.value}: ${humanise(metric)} ${intervalWords(metric, slice.metric)}, ${verdict === 'alike' ? 'like everybody else' : `${verdict} than everybody else`}`}
              >
                <span className="col-start-1 flex min-w-0 flex-col justify-center leading-4" style={{ height: rowHeight, gridRow: index + 1 }}>
                  <span title={slice.value} className="truncate font-medium">
                    {slice.value === '' ? '(empty)' : slice.value}
                  </span>
                  <span className="text-2xs text-ink-3">{formatCount(slice.count)} records</span>
                </span>
                <span className="col-start-3 flex flex-col items-end justify-center leading-4" style={{ height: rowHeight, gridRow: index + 1 }}>
                  <span className="font-medium tabular-nums">{formatMetric(metric, slice.metric.value)}</span>
                  <span className={`text-2xs tabular-nums ${verdictText[verdict]}`}>{formatDifference(metric, slice.difference.value)}</span>
                </span>
              </li>
            );
          })}
        </ul>
        <div ref={ref} className="col-start-2 row-start-1 min-w-0" style={{ gridRow: `1 / span ${slices.length + 1}` }}>
          <svg width={width} height={height} aria-hidden className="block w-full">
            {niceTicks(domain[0], domain[1], width < 360 ? 4 : 6).map((tick) => (
              <g key={tick}>
                <line x1={x(tick)} x2={x(tick)} y1={top} y2={height - axisHeight} stroke="var(--line)" />
                <text x={x(tick)} y={height - 6} textAnchor="middle" className="fill-ink-3 text-[11px]">
                  {formatNumber(tick)}
                </text>
              </g>
            ))}
            {overall !== null && <line x1={x(overall)} x2={x(overall)} y1={top} y2={height - axisHeight} stroke="var(--ink-3)" strokeDasharray="3 3" />}
            {slices.map((slice, index) => (
              <Mark key={slice.value} slice={slice} verdict={sliceVerdict(slice, metric)} y={index * rowHeight + rowHeight / 2} x={x} />
            ))}
          </svg>
        </div>
      </div>
    </ChartFrame>
  );
}

function Mark({ slice: { metric }, verdict, x, y }: { slice: SliceReport; verdict: SliceVerdict; x: (value: number) => number; y: number }) {
  const color = verdictColor[verdict];
  const cx = x(metric.value);
  return (
    <g stroke={color} fill={color}>
      <path d={`M${x(metric.low)} ${y}H${x(metric.high)}M${x(metric.low)} ${y - 4}v8M${x(metric.high)} ${y - 4}v8`} strokeWidth="1.500" />
      {verdict === 'alike' ? (
        <circle cx={cx} cy={y} r="4" fill="var(--surface)" strokeWidth="1.750" />
      ) : (
        <path d={verdict === 'worse' ? `M${cx} ${y + 5.5}l-5.500-9.500h11Z` : `M${cx} ${y - 5.5}l5.500 9.500h-11Z`} stroke="var(--surface)" strokeWidth="1" />
      )}
    </g>
  );
}

function Key({ shape, words }: { shape: SliceVerdict; words: string }) {
  return (
    <span className="inline-flex items-center gap-1">
      <svg viewBox="0 0 12 12" className="size-3" aria-hidden>
        {shape === 'alike' && <circle cx="6" cy="6" r="4" fill="none" stroke={verdictColor.alike} strokeWidth="1.750" />}
        {shape === 'worse' && <path d="M6 11 1 2h10Z" fill={verdictColor.worse} />}
        {shape === 'better' && <path d="M6 1l5 9H1Z" fill={verdictColor.better} />}
      </svg>
      {words}
    </span>
  );
}
