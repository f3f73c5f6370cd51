import { formatPoints } from '../domain/format.ts';
import { differenceDomain } from '../domain/rollout-view.ts';
import { linearScale, niceTicks } from '../domain/scale.ts';
import { useWidth } from './use-width.ts';

interface DifferenceChartProps {
  label: string;
  interval: readonly [number, number] | null;
  difference: number | null;
}

const height = 74;
const band = 27;

/** Canary minus control with its interval: left of zero the canary is better. */
export function DifferenceChart({ label, interval, difference }: DifferenceChartProps) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const domain = differenceDomain(interval, difference);
  const x = linearScale(domain, [8, Math.max(9, width - 8)]);
  const ticks = niceTicks(domain[0], domain[1], width < 420 ? 4 : 8);
  const words =
    interval === null
      ? `${label}: no interval yet`
      : `${label}: ${formatPoints(difference)}, interval ${formatPoints(interval[0])} to ${formatPoints(interval[1])}`;
  return (
    <div ref={ref}>
      <svg width={width} height={height} role="img" aria-label={words} className="block w-full">
        <rect x={x(0)} y={band - 19} width={Math.max(0, x(domain[1]) - x(0))} height="38" fill="var(--bad)" opacity="0.05" />
        <rect x={x(domain[0])} y={band - 19} width={Math.max(0, x(0) - x(domain[0]))} height="38" fill="var(--ok)" opacity="0.06" />
        {ticks.map((tick) => (
          <g key={tick}>
            <line x1={x(tick)} x2={x(tick)} y1={band - 19} y2={band + 22} stroke={tick === 0 ? 'var(--ink-3)' : 'var(--line)'} strokeWidth="1" />
            <text x={x(tick)} y={height - 8} textAnchor="middle" className="fill-ink-3 text-[11px]">
              {tick === 0 ? '0' : formatPoints(tick, Math.abs(domain[1]) < 0.05 ? 1 : 0).replace(' pt', '')}
            </text>
          </g>
        ))}
        {interval !== null && (
          <>
            <rect x={x(interval[0])} y={band - 7} width={Math.max(2, x(interval[1]) - x(interval[0]))} height="14" rx="3" fill="var(--canary)" opacity="0.5" />
            <path d={`M${x(interval[0])} ${band - 10}v20M${x(interval[1])} ${band - 10}v20`} stroke="var(--canary-text)" strokeWidth="1.500" />
          </>
        )}
        {difference !== null && <circle cx={x(difference)} cy={band} r="5" fill="var(--canary-text)" stroke="var(--surface)" strokeWidth="2" />}
      </svg>
    </div>
  );
}
