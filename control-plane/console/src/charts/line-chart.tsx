import { dash, formatCount, formatNumber } from '../domain/format.ts';
import { linearScale, linePath, nearestIndex, niceTicks, valueDomain } from '../domain/scale.ts';
import { ChartFrame, LegendKey } from './chart-frame.tsx';
import { useCursor } from './use-cursor.ts';
import { useWidth } from './use-width.ts';
import { ValueAxis } from './value-axis.tsx';

export interface Line {
  name: string;
  color: string;
  /** Told apart by its dashes as well as by its colour. */
  dashed?: boolean;
  points: readonly (readonly [number, number])[];
}

interface LineChartProps {
  title: string;
  lines: readonly Line[];
  format?: (value: number) => string;
  height?: number;
}

const top = 10;
const bottom = 22;
const left = 44;
const right = 8;

/** Measures over steps; every step that any line has can be chosen, and each line says its value there. */
export function LineChart({ title, lines, format = formatNumber, height = 180 }: LineChartProps) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const steps = [...new Set(lines.flatMap(({ points }) => points.map(([step]) => step)))].toSorted((one, other) => one - other);
  const byStep = lines.map(({ points }) => new Map(points.map(([step, value]) => [step, value])));
  const values = lines.flatMap(({ points }) => points.map(([, value]) => value));
  const domain = valueDomain(values);
  const span = [steps[0] ?? 0, steps.at(-1) ?? 1] as const;
  const x = linearScale(span, [left, Math.max(left + 1, width - right)]);
  const y = linearScale(domain, [height - bottom, top]);
  const valueAt = (line: number, at: number): string => {
    const value = byStep[line]?.get(steps[at] ?? Number.NaN);
    return value === undefined ? dash : format(value);
  };
  const cursor = useCursor(
    title,
    steps.length,
    (pointerX) => nearestIndex(steps, span[0] + ((pointerX - left) / Math.max(1, width - left - right)) * (span[1] - span[0])),
    (at) => `step ${formatCount(steps[at] ?? 0)}: ${lines.map(({ name }, index) => `${name} ${valueAt(index, at)}`).join(', ')}`,
  );
  const shown = cursor.at ?? steps.length - 1;
  const step = steps[shown];

  return (
    <ChartFrame
      title={title}
      legend={
        <>
          {lines.length > 1 &&
            lines.map(({ name, color, dashed }, index) => (
              <LegendKey key={name} color={color} name={`${name} ${valueAt(index, shown)}`} shape={dashed === true ? 'dashes' : 'line'} />
            ))}
          <span className="text-ink-3 tabular-nums">
            {step === undefined ? '' : lines.length > 1 ? `at step ${formatCount(step)}` : `${valueAt(0, shown)} at step ${formatCount(step)}`}
          </span>
        </>
      }
      table={() => ({
        caption: title,
        head: ['Step', ...lines.map(({ name }) => name)],
        rows: steps.map((each, at) => [formatCount(each), ...lines.map((_, index) => valueAt(index, at))]),
      })}
    >
      <div ref={ref} className="rounded-sm" {...cursor.props}>
        <svg width={width} height={height} aria-hidden className="block w-full">
          <ValueAxis span={domain} y={y} left={left} end={width - right} />
          {niceTicks(span[0], span[1], width < 420 ? 3 : 6)
            .filter(Number.isInteger)
            .map((tick) => (
              <text key={tick} x={x(tick)} y={height - 5} textAnchor={x(tick) > width - 24 ? 'end' : 'middle'} className="fill-ink-3 text-[11px]">
                {formatCount(tick)}
              </text>
            ))}
          {lines.map(({ name, color, dashed, points }) => (
            <path
              key={name}
              d={linePath(
                points.map(([each, value]) => ({ x: x(each), y: Number.isFinite(value) ? y(value) : null })),
                Infinity,
              )}
              fill="none"
              stroke={color}
              strokeWidth="1.750"
              strokeLinejoin="round"
              strokeDasharray={dashed === true ? '5 3' : undefined}
            />
          ))}
          {step !== undefined && (
            <>
              {cursor.at !== null && <line x1={x(step)} x2={x(step)} y1={top} y2={height - bottom} stroke="var(--ink)" />}
              {lines.map(({ name, color }, index) => {
                const value = byStep[index]?.get(step);
                return value === undefined || !Number.isFinite(value) ? null : (
                  <circle key={name} cx={x(step)} cy={y(value)} r="3" fill={color} stroke="var(--surface)" strokeWidth="1.500" />
                );
              })}
            </>
          )}
        </svg>
      </div>
    </ChartFrame>
  );
}
