import { useState } from 'react';
import { formatClock } from '../domain/format.ts';
import { domainFromZero, linearScale, linePath, nearestIndex } from '../domain/scale.ts';
import { ChartFrame } from './chart-frame.tsx';
import { useWidth } from './use-width.ts';

export interface TimeRow {
  name: string;
  color: string;
  values: readonly (number | null)[];
  format: (value: number | null) => string;
  /** The axis reaches at least this far. */
  least?: number;
  /** A limit worth drawing. */
  limit?: number;
}

export interface TimeMark {
  at: number;
  label: string;
}

interface TimeChartProps {
  title: string;
  times: readonly number[];
  rows: readonly TimeRow[];
  marks?: readonly TimeMark[];
}

const rowHeight = 76;
const rowTop = 22;
const axisHeight = 20;
/** Room of the clock at either end of the axis. */
const labelWidth = 64;
/** Points further apart than this many usual steps are not joined. */
const gapSteps = 4;

function usualStep(times: readonly number[]): number {
  const steps = times.slice(1).map((time, index) => time - (times[index] ?? time));
  return steps.toSorted((one, other) => one - other)[Math.floor(steps.length / 2)] ?? 0;
}

/** Several measures of one thing on one time axis with one cursor, by pointer or by arrow keys. */
export function TimeChart({ title, times, rows, marks = [] }: TimeChartProps) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const [cursor, setCursor] = useState<number | null>(null);
  const first = times[0] ?? 0;
  const last = times.at(-1) ?? 1;
  const x = linearScale([first, last], [2, Math.max(3, width - 2)]);
  const height = rows.length * rowHeight + axisHeight;
  const at = cursor === null ? times.length - 1 : Math.min(cursor, times.length - 1);
  const gap = (usualStep(times) * gapSteps * Math.max(1, width - 4)) / Math.max(1, last - first);
  const move = (to: number): void => setCursor(Math.min(times.length - 1, Math.max(0, to)));
  const readings = rows.map((row) => `${row.name} ${row.format(row.values[at] ?? null)}`).join(', ');

  return (
    <ChartFrame
      title={title}
      legend={<span className="text-ink-3">{times.length === 0 ? '' : cursor === null ? 'newest window' : formatClock(times[at] ?? 0)}</span>}
      table={() => ({
        caption: title,
        head: ['Time', ...rows.map((row) => row.name)],
        rows: times.map((time, index) => [formatClock(time), ...rows.map((row) => row.format(row.values[index] ?? null))]).toReversed(),
      })}
    >
      <div
        ref={ref}
        role="slider"
        tabIndex={0}
        aria-label={`${title}: choose a moment with the arrow keys`}
        aria-valuemin={0}
        aria-valuemax={Math.max(0, times.length - 1)}
        aria-valuenow={Math.max(0, at)}
        aria-valuetext={times.length === 0 ? 'no data' : `${formatClock(times[at] ?? 0)}: ${readings}`}
        className="rounded-sm"
        onPointerMove={(event) => {
          const offset = event.clientX - event.currentTarget.getBoundingClientRect().left;
          setCursor(nearestIndex(times, first + ((offset - 2) / Math.max(1, width - 4)) * (last - first)));
        }}
        onPointerLeave={() => setCursor(null)}
        onBlur={() => setCursor(null)}
        onKeyDown={(event) => {
          const steps: Record<string, number> = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: times.length - 1, PageUp: at - 20, PageDown: at + 20 };
          const to = steps[event.key];
          if (to === undefined) return;
          event.preventDefault();
          move(to);
        }}
      >
        <svg width={width} height={height} aria-hidden className="block w-full">
          {marks.map((mark) => (
            <g key={mark.at}>
              <line x1={x(mark.at)} x2={x(mark.at)} y1="0" y2={height - axisHeight} stroke="var(--ink-3)" strokeDasharray="2 3" />
              {x(mark.at) > labelWidth && x(mark.at) < width - labelWidth && (
                <text x={x(mark.at)} y={height - 5} textAnchor="middle" className="fill-ink-2 text-[11px] font-medium">
                  {mark.label}
                </text>
              )}
            </g>
          ))}
          {rows.map((row, index) => (
            <Row key={row.name} row={row} top={index * rowHeight} width={width} times={times} x={x} at={at} gap={gap} />
          ))}
          {cursor !== null && times.length > 0 && (
            <line x1={x(times[at] ?? 0)} x2={x(times[at] ?? 0)} y1="0" y2={height - axisHeight} stroke="var(--ink)" strokeWidth="1" />
          )}
          {times.length > 1 && (
            <>
              <text x="0" y={height - 5} className="fill-ink-3 text-[11px]">
                {formatClock(first)}
              </text>
              <text x={width} y={height - 5} textAnchor="end" className="fill-ink-3 text-[11px]">
                {formatClock(last)}
              </text>
            </>
          )}
        </svg>
      </div>
    </ChartFrame>
  );
}

interface RowProps {
  row: TimeRow;
  top: number;
  width: number;
  times: readonly number[];
  x: (time: number) => number;
  at: number;
  gap: number;
}

function Row({ row, top, width, times, x, at, gap }: RowProps) {
  const floor = top + rowHeight - 6;
  const y = linearScale(domainFromZero(row.values, row.least ?? row.limit ?? 0), [floor, top + rowTop]);
  const points = times.map((time, index) => {
    const value = row.values[index] ?? null;
    return { x: x(time), y: value === null ? null : y(value) };
  });
  const here = points[at];
  return (
    <g>
      <text x="0" y={top + 14} className="fill-ink-2 text-[12px]">
        {row.name}
      </text>
      <text x={width} y={top + 14} textAnchor="end" className="fill-ink stroke-surface stroke-3 text-[12px] font-medium [paint-order:stroke]">
        {row.format(row.values[at] ?? null)}
      </text>
      <line x1="0" x2={width} y1={floor + 0.5} y2={floor + 0.5} stroke="var(--line)" />
      {row.limit !== undefined && <line x1="0" x2={width} y1={y(row.limit)} y2={y(row.limit)} stroke="var(--bad)" strokeDasharray="3 3" opacity="0.7" />}
      <path d={linePath(points, gap)} fill="none" stroke={row.color} strokeWidth="1.500" strokeLinejoin="round" />
      {here !== undefined && here.y !== null && <circle cx={here.x} cy={here.y} r="3" fill={row.color} stroke="var(--surface)" strokeWidth="1.500" />}
    </g>
  );
}
