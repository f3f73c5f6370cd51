import type { DatasetVersionStatus } from '@serin/protocol/api/datasets';
import type { RunStatus, StageState } from '@serin/protocol/api/runs';
import { cn } from './cn.ts';

type Shape = 'disc' | 'ring' | 'half' | 'diamond' | 'dashed' | 'cross' | 'slash' | 'copy';

const shapes: Record<Shape, React.ReactNode> = {
  disc: <circle cx="6" cy="6" r="4" fill="currentColor" />,
  ring: <circle cx="6" cy="6" r="3.500" fill="none" stroke="currentColor" strokeWidth="1.500" />,
  half: (
    <>
      <circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" strokeWidth="1.500" />
      <path d="M6 2a4 4 0 0 1 0 8Z" fill="currentColor" />
    </>
  ),
  diamond: <path d="M6 .8 11.200 6 6 11.200.8 6Z" fill="currentColor" />,
  dashed: <circle cx="6" cy="6" r="3.500" fill="none" stroke="currentColor" strokeWidth="1.500" strokeDasharray="2 1.600" />,
  cross: (
    <>
      <rect x="1.500" y="1.500" width="9" height="9" rx="1.500" fill="currentColor" />
      <path d="m4.200 4.200 3.600 3.600m0-3.600L4.200 7.800" stroke="var(--surface)" strokeWidth="1.400" strokeLinecap="round" />
    </>
  ),
  slash: (
    <>
      <circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" strokeWidth="1.400" />
      <path d="m3.200 8.800 5.600-5.600" stroke="currentColor" strokeWidth="1.400" />
    </>
  ),
  /** Two discs, one behind the other: done before, used again. */
  copy: (
    <>
      <circle cx="4.500" cy="6" r="3.250" fill="none" stroke="currentColor" strokeWidth="1.300" />
      <circle cx="7.500" cy="6" r="3.500" fill="currentColor" />
    </>
  ),
};

type State = DatasetVersionStatus | RunStatus | StageState;

const looks: Record<State, { shape: Shape; className: string }> = {
  READY: { shape: 'disc', className: 'text-ok' },
  QUARANTINED: { shape: 'diamond', className: 'text-warn' },
  DROPPED: { shape: 'slash', className: 'text-idle' },
  RUNNING: { shape: 'half', className: 'text-info' },
  SUCCEEDED: { shape: 'disc', className: 'text-ok' },
  FAILED: { shape: 'cross', className: 'text-bad' },
  CANCELLED: { shape: 'slash', className: 'text-idle' },
  waiting: { shape: 'ring', className: 'text-idle' },
  running: { shape: 'half', className: 'text-info' },
  done: { shape: 'disc', className: 'text-ok' },
  cached: { shape: 'copy', className: 'text-ok' },
  skipped: { shape: 'dashed', className: 'text-idle' },
  failed: { shape: 'cross', className: 'text-bad' },
};

/** A state by shape and by colour; the words stand beside it. */
export function StateMark({ state, className }: { state: State; className?: string }) {
  const { shape, className: color } = looks[state];
  return (
    <svg viewBox="0 0 12 12" aria-hidden className={cn('size-3 shrink-0', color, className)}>
      {shapes[shape]}
    </svg>
  );
}
