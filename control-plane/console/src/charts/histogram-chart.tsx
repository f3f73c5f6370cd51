import { useId, useState } from 'react';
import { formatNumber, formatPercent } from '../domain/format.ts';
import { coarsenBars, histogramBars, histogramMedian } from '../domain/histogram.ts';
import { domainFromZero, linearScale } from '../domain/scale.ts';
import { ChartFrame, LegendKey } from './chart-frame.tsx';
import { useWidth } from './use-width.ts';

interface HistogramChartProps {
  statistic: string;
  reference: readonly number[];
  live: readonly number[];
  edges: readonly number[];
  height?: number;
}

const top = 8;
const bottom = 22;

/** What the model was made on against what it sees now, as shares of frames per frozen bin. */
export function HistogramChart({ statistic, reference, live, edges, height = 168 }: HistogramChartProps) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const [pointed, setPointed] = useState<number | null>(null);
  const hintId = useId();
  const all = histogramBars(reference, live, edges, formatNumber);
  const bars = coarsenBars(all, Math.max(8, Math.floor(width / 13)));
  const y = linearScale(domainFromZero(bars.flatMap((bar) => [bar.reference, bar.live])), [height - bottom, top]);
  const slot = bars.length === 0 ? 0 : width / bars.length;
  const medians = { reference: histogramMedian(reference, edges), live: histogramMedian(live, edges) };
  const summary = `${statistic}: median ${formatNumber(medians.reference)} in the reference, ${formatNumber(medians.live)} now`;
  const shown = pointed === null ? undefined : bars[pointed];
  const ticks = bars.length < 2 ? [] : [0, Math.floor(bars.length / 2), bars.length - 1];

  return (
    <ChartFrame
      title={statistic}
      legend={
        <>
          <LegendKey color="var(--reference)" name="Reference" shape="box" />
          <LegendKey color="var(--series-2)" name="Live" shape="outline" />
        </>
      }
      table={() => ({
        caption: summary,
        head: ['Bin', 'Reference', 'Live'],
        rows: all.map((bar) => [bar.label, formatPercent(bar.reference), formatPercent(bar.live)]),
      })}
    >
      <div ref={ref} className="relative">
        <svg
          width={width}
          height={height}
          role="img"
          aria-label={summary}
          aria-describedby={hintId}
          className="block w-full"
          onPointerMove={(event) =>
            setPointed(
              slot === 0 ? null : Math.min(bars.length - 1, Math.max(0, Math.floor((event.clientX - event.currentTarget.getBoundingClientRect().left) / slot))),
            )
          }
          onPointerLeave={() => setPointed(null)}
        >
          <line x1="0" x2={width} y1={height - bottom + 0.5} y2={height - bottom + 0.5} stroke="var(--line-strong)" />
          {bars.map((bar, index) => (
            <g key={bar.label} opacity={pointed === null || pointed === index ? 1 : 0.55}>
              <rect
                x={index * slot + 1}
                width={Math.max(1, slot - 2)}
                y={y(bar.reference)}
                height={Math.max(0, height - bottom - y(bar.reference))}
                fill="var(--reference)"
                opacity="0.5"
                rx="1"
              />
              <rect
                x={index * slot + 1}
                width={Math.max(1, slot - 2)}
                y={y(bar.live)}
                height={Math.max(0, height - bottom - y(bar.live))}
                fill="var(--series-2)"
                opacity="0.16"
                rx="1"
              />
              {bar.live > 0 && <rect x={index * slot + 1} width={Math.max(1, slot - 2)} y={y(bar.live) - 1} height="2" fill="var(--series-2)" rx="1" />}
            </g>
          ))}
          {ticks.map((index, order) => (
            <text
              key={index}
              x={order === 0 ? 1 : order === ticks.length - 1 ? width - 1 : (index + 0.5) * slot}
              y={height - 6}
              textAnchor={order === 0 ? 'start' : order === ticks.length - 1 ? 'end' : 'middle'}
              className="fill-ink-3 text-[11px]"
            >
              {formatNumber((order === ticks.length - 1 ? bars[index]?.to : bars[index]?.from) ?? bars[index]?.from ?? bars[index]?.to)}
            </text>
          ))}
        </svg>
        <p id={hintId} className="absolute top-0 right-0 rounded-sm bg-surface/90 px-1 text-2xs text-ink-2">
          {shown === undefined
            ? `median ${formatNumber(medians.reference)} → ${formatNumber(medians.live)}`
            : `${shown.label}: reference ${formatPercent(shown.reference)}, live ${formatPercent(shown.live)}`}
        </p>
      </div>
    </ChartFrame>
  );
}
