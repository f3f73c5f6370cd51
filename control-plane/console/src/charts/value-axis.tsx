import { formatNumber } from '../domain/format.ts';
import { niceTicks } from '../domain/scale.ts';

interface ValueAxisProps {
  span: readonly [low: number, high: number];
  y(value: number): number;
  left: number;
  /** Where the lines end. */
  end: number;
}

/** Values up the side, a line across for each. */
export function ValueAxis({ span: [low, high], y, left, end }: ValueAxisProps) {
  return niceTicks(low, high, 4).map((tick) => (
    <g key={tick}>
      <line x1={left} x2={end} y1={y(tick)} y2={y(tick)} stroke="var(--line)" />
      <text x={left - 6} y={y(tick) + 4} textAnchor="end" className="fill-ink-3 text-[11px]">
        {formatNumber(tick)}
      </text>
    </g>
  ));
}
