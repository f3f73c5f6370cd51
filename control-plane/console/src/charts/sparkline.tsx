import { domainFromZero, linearScale, linePath } from '../domain/scale.ts';

const width = 120;
const height = 32;

/** Decoration beside a figure that says the same in words; hidden from assistive technology. */
export function Sparkline({ values, color = 'var(--series-1)', className }: { values: readonly (number | null)[]; color?: string; className?: string }) {
  if (values.length < 2) return <div className={className} aria-hidden />;
  const x = linearScale([0, values.length - 1], [1, width - 1]);
  const y = linearScale(domainFromZero(values), [height - 1, 2]);
  const points = values.map((value, index) => ({ x: x(index), y: value === null ? null : y(value) }));
  const line = linePath(points, Infinity);
  return (
    <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" className={className} aria-hidden>
      <path d={`${line}L${width - 1} ${height}L1 ${height}Z`} fill={color} opacity="0.09" />
      <path d={line} fill="none" stroke={color} strokeWidth="1.500" vectorEffect="non-scaling-stroke" strokeLinejoin="round" />
    </svg>
  );
}
