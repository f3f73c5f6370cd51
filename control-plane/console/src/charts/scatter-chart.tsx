import { formatMetric, formatNumber, humanise } from '../domain/format.ts';
import type { TrialDot } from '../domain/run-view.ts';
import { linearScale, niceTicks, valueDomain } from '../domain/scale.ts';
import { ChartFrame, LegendKey } from './chart-frame.tsx';
import { useCursor } from './use-cursor.ts';
import { useWidth } from './use-width.ts';
import { ValueAxis } from './value-axis.tsx';

interface ScatterChartProps {
  title: string;
  parameter: string;
  metric: string;
  dots: readonly TrialDot[];
  /** The trial that won. */
  best: string | undefined;
}

const height = 220;
const top = 10;
const bottom = 24;
const left = 48;
const right = 12;

/** Logarithms where the values span magnitudes, as learning rates do. */
function magnitudes(values: readonly number[]): boolean {
  const least = Math.min(...values);
  return least > 0 && Math.max(...values) / least >= 20;
}

/** One dot a trial: full ones had the whole training, rings were stopped before. */
export function ScatterChart({ title, parameter, metric, dots, best }: ScatterChartProps) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const log = magnitudes(dots.map(({ x }) => x));
  const read = (value: number): number => (log ? Math.log10(value) : value);
  const spanX = valueDomain(dots.map(({ x }) => read(x)));
  const spanY = valueDomain(dots.map(({ y }) => y));
  const x = linearScale(spanX, [left, Math.max(left + 1, width - right)]);
  const y = linearScale(spanY, [height - bottom, top]);
  const words = ({ trial, x: value, y: figure }: TrialDot): string =>
    `${humanise(parameter)} ${formatNumber(value)}: ${humanise(metric)} ${formatMetric(metric, figure)}, ${trial.state}${trial.id === best ? ', the best' : ''}`;
  const cursor = useCursor(
    title,
    dots.length,
    (pointerX, pointerY) => {
      let near = 0;
      let least = Infinity;
      for (const [index, dot] of dots.entries()) {
        const far = (x(read(dot.x)) - pointerX) ** 2 + (y(dot.y) - pointerY) ** 2;
        if (far >= least) continue;
        least = far;
        near = index;
      }
      return near;
    },
    (at) => {
      const dot = dots[at];
      return dot === undefined ? '' : words(dot);
    },
    0,
  );
  const chosen = cursor.at === null ? undefined : dots[cursor.at];
  const ticksX = log ? niceTicks(spanX[0], spanX[1], 6).filter(Number.isInteger) : niceTicks(spanX[0], spanX[1], width < 420 ? 3 : 6);
  return (
    <ChartFrame
      title={title}
      legend={
        <>
          <LegendKey color="var(--series-1)" name="whole training" shape="box" />
          <LegendKey color="var(--series-1)" name="stopped early" shape="outline" />
          {chosen !== undefined && <span className="text-ink-3">{words(chosen)}</span>}
        </>
      }
      table={() => ({
        caption: title,
        head: ['Trial', humanise(parameter), humanise(metric), 'State'],
        rows: dots.map(({ trial, x: value, y: figure }) => [trial.id, formatNumber(value), formatMetric(metric, figure), trial.state]),
      })}
    >
      <div ref={ref} className="rounded-sm" {...cursor.props}>
        <svg width={width} height={height} aria-hidden className="block w-full">
          <ValueAxis span={spanY} y={y} left={left} end={width - right} />
          {ticksX.map((tick) => (
            <text key={tick} x={x(tick)} y={height - 6} textAnchor="middle" className="fill-ink-3 text-[11px]">
              {formatNumber(log ? 10 ** tick : tick)}
            </text>
          ))}
          {dots.map((dot) => (
            <circle
              key={dot.trial.id}
              cx={x(read(dot.x))}
              cy={y(dot.y)}
              r={dot === chosen ? 6 : 4}
              fill={dot.trial.budget >= 1 ? 'var(--series-1)' : 'var(--surface)'}
              stroke="var(--series-1)"
              strokeWidth="1.500"
            />
          ))}
          {dots
            .filter(({ trial }) => trial.id === best)
            .map((dot) => (
              <g key="best">
                <circle cx={x(read(dot.x))} cy={y(dot.y)} r="8" fill="none" stroke="var(--canary-text)" strokeWidth="2" />
                <text
                  x={x(read(dot.x)) + (x(read(dot.x)) > width - 60 ? -13 : 13)}
                  y={y(dot.y) + 4}
                  textAnchor={x(read(dot.x)) > width - 60 ? 'end' : 'start'}
                  className="fill-ink text-[11px] font-medium"
                >
                  best
                </text>
              </g>
            ))}
        </svg>
      </div>
    </ChartFrame>
  );
}
