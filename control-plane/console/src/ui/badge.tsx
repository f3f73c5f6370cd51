import type { ReactNode } from 'react';
import type { Tone } from '../domain/rollout-view.ts';
import { cn } from './cn.ts';

const tones: Record<Tone | 'canary', string> = {
  ok: 'bg-ok-soft text-ok',
  info: 'bg-info-soft text-info',
  warn: 'bg-warn-soft text-warn',
  bad: 'bg-bad-soft text-bad',
  idle: 'bg-sunken text-ink-2',
  canary: 'bg-canary text-canary-ink',
};

export function Badge({
  tone = 'idle',
  children,
  icon,
  className,
  ...rest
}: {
  tone?: Tone | 'canary';
  children: ReactNode;
  icon?: ReactNode;
  className?: string;
  'data-testid'?: string;
}) {
  return (
    <span
      {...rest}
      className={cn('inline-flex h-5 shrink-0 items-center gap-1 rounded-sm px-1.5 text-2xs font-medium whitespace-nowrap', tones[tone], className)}
    >
      {icon}
      {children}
    </span>
  );
}

export function VersionTag({ version, muted = false, className }: { version: number | null; muted?: boolean; className?: string }) {
  return <span className={cn('font-mono text-xs', muted ? 'text-ink-3' : 'text-ink', className)}>{version === null ? 'none' : `v${version}`}</span>;
}

export function SyntheticTag() {
  return (
    <abbr
      title="Synthetic: its camera is rendered"
      className="rounded-xs border border-dashed border-line-strong px-1 text-[0.625rem] leading-3.5 text-ink-3 no-underline"
    >
      syn
    </abbr>
  );
}

export function Code({ children, className }: { children: ReactNode; className?: string }) {
  return <code className={cn('rounded-xs bg-sunken px-1 py-px font-mono text-[0.92em] text-ink-2', className)}>{children}</code>;
}
