import type { ColumnSummary } from '@serin/protocol/api/datasets';
import { formatCount, formatNumber, formatPercent } from '../domain/format.ts';
import { domainFromZero, linearScale } from '../domain/scale.ts';
import { ChartFrame } from './chart-frame.tsx';
import { useCursor } from './use-cursor.ts';
import { useWidth } from './use-width.ts';

type Numbers = NonNullable<ColumnSummary['numbers']>;

const top = 8;
const bottom = 22;

/** How the numbers of a column lie: a bar per bin, the middle half marked below the axis. */
export function ColumnChart({ name, numbers, height = 150 }: { name: string; numbers: Numbers; height?: number }) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const { edges, counts, quantiles } = numbers;
  const all = counts.reduce((sum, count) => sum + count, 0);
  const range = [edges[0] ?? numbers.min, edges.at(-1) ?? numbers.max] as const;
  const x = linearScale(range, [1, Math.max(2, width - 1)]);
  const y = linearScale(domainFromZero(counts), [height - bottom, top]);
  const label = (bin: number): string => `${formatNumber(edges[bin])} to ${formatNumber(edges[bin + 1])}`;
  const share = (bin: number): string => formatPercent(all === 0 ? null : (counts[bin] ?? 0) / all);
  const cursor = useCursor(
    `Values of ${name}`,
    counts.length,
    (pointerX) =>
      Math.min(
        counts.length - 1,
        Math.max(
          0,
          edges.findLastIndex((edge) => x(edge) <= pointerX),
        ),
      ),
    (bin) => `${label(bin)}: ${formatCount(counts[bin] ?? 0)} records, ${share(bin)}`,
    0,
  );
  const [q25, q50, q75] = [quantiles[2], quantiles[3], quantiles[4]];
  return (
    <ChartFrame
      title="How its values lie"
      legend={
        <span className="text-ink-3">
          {cursor.at === null
            ? `median ${formatNumber(q50)}, the middle half ${formatNumber(q25)} to ${formatNumber(q75)}`
            : `${label(cursor.at)}: ${share(cursor.at)}`}
        </span>
      }
      table={() => ({
        caption: `Values of ${name}`,
        head: ['Bin', 'Records', 'Share'],
        rows: counts.map((count, bin) => [label(bin), formatCount(count), share(bin)]),
      })}
    >
      <div ref={ref} className="rounded-sm" {...cursor.props}>
        <svg width={width} height={height} aria-hidden className="block w-full">
          {counts.map((count, bin) => {
            const from = x(edges[bin] ?? 0);
            const to = x(edges[bin + 1] ?? 0);
            return (
              <rect
                key={edges[bin]}
                x={from + 0.5}
                width={Math.max(1, to - from - 1)}
                y={y(count)}
                height={Math.max(0, height - bottom - y(count))}
                rx="1"
                fill="var(--series-1)"
                opacity={cursor.at === null || cursor.at === bin ? 1 : 0.45}
              />
            );
          })}
          <line x1="0" x2={width} y1={height - bottom + 0.5} y2={height - bottom + 0.5} stroke="var(--line-strong)" />
          {q25 !== undefined && q75 !== undefined && <path d={`M${x(q25)} ${height - bottom + 3}H${x(q75)}`} stroke="var(--ink-2)" strokeWidth="3" />}
          {q50 !== undefined && <path d={`M${x(q50)} ${height - bottom - 2}v8`} stroke="var(--ink)" strokeWidth="2" />}
          <text x="1" y={height - 5} className="fill-ink-3 text-[11px]">
            {formatNumber(range[0])}
          </text>
          <text x={width - 1} y={height - 5} textAnchor="end" className="fill-ink-3 text-[11px]">
            {formatNumber(range[1])}
          </text>
        </svg>
      </div>
    </ChartFrame>
  );
}

const sparkWidth = 96;
const sparkHeight = 24;

/** The same in the height of a line; the row beside it says the figures. */
export function ColumnSpark({ counts, color = 'var(--series-1)', className }: { counts: readonly number[]; color?: string; className?: string }) {
  const most = Math.max(1, ...counts);
  const slot = sparkWidth / Math.max(1, counts.length);
  return (
    <svg viewBox={`0 0 ${sparkWidth} ${sparkHeight}`} preserveAspectRatio="none" className={className} aria-hidden>
      {counts.map((count, index) => {
        const tall = (count / most) * (sparkHeight - 1);
        // The place of a bin is its name.
        return <rect key={`bin ${String(index)}`} x={index * slot + slot * 0.06} width={slot * 0.88} y={sparkHeight - tall} height={tall} fill={color} />;
      })}
      <line x1="0" x2={sparkWidth} y1={sparkHeight - 0.5} y2={sparkHeight - 0.5} stroke="var(--line-strong)" vectorEffect="non-scaling-stroke" />
    </svg>
  );
}
