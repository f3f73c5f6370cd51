import { healthLabel, type Health } from '../domain/device-health.ts';
import { cn } from './cn.ts';

export const healthText: Record<Health, string> = {
  failed: 'text-bad',
  degraded: 'text-bad',
  drifting: 'text-warn',
  updating: 'text-info',
  empty: 'text-idle',
  online: 'text-ok',
  offline: 'text-idle',
  revoked: 'text-idle',
};

/** A shape per state, so that colour is never the only sign: disc, rings, triangles, half disc, cross in a square. */
const shapes: Record<Health, React.ReactNode> = {
  online: <circle cx="6" cy="6" r="4" fill="currentColor" />,
  offline: <circle cx="6" cy="6" r="3.5" fill="none" stroke="currentColor" strokeWidth="1.5" strokeDasharray="2 1.6" />,
  updating: (
    <>
      <circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" strokeWidth="1.5" />
      <path d="M6 2a4 4 0 0 1 0 8Z" fill="currentColor" />
    </>
  ),
  drifting: <path d="M6 1.2 11.200 10.500H.8Z" fill="currentColor" />,
  degraded: <path d="M6 10.8.8 1.5h10.400Z" fill="currentColor" />,
  empty: <circle cx="6" cy="6" r="3.500" fill="none" stroke="currentColor" strokeWidth="1.500" />,
  failed: (
    <>
      <rect x="1.500" y="1.500" width="9" height="9" rx="1.500" fill="currentColor" />
      <path d="m4.200 4.200 3.600 3.600m0-3.600L4.200 7.800" stroke="var(--surface)" strokeWidth="1.400" strokeLinecap="round" />
    </>
  ),
  revoked: (
    <>
      <circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" strokeWidth="1.400" />
      <path d="m3.200 8.800 5.600-5.600" stroke="currentColor" strokeWidth="1.400" />
    </>
  ),
};

export function HealthMark({ health, className, label = true }: { health: Health; className?: string; label?: boolean }) {
  return (
    <svg
      viewBox="0 0 12 12"
      role={label ? 'img' : undefined}
      aria-label={label ? healthLabel[health] : undefined}
      aria-hidden={label ? undefined : true}
      className={cn('size-3 shrink-0', healthText[health], className)}
    >
      {shapes[health]}
    </svg>
  );
}
