import type { ComponentProps, ReactNode } from 'react';
import { cn } from './cn.ts';
import { Tooltip } from './tooltip.tsx';

type Kind = 'primary' | 'plain' | 'quiet' | 'danger';

const kinds: Record<Kind, string> = {
  primary: 'bg-primary text-on-primary hover:not-aria-disabled:bg-primary-hover',
  plain: 'bg-raised text-ink border border-line-strong shadow-raised hover:not-aria-disabled:bg-hover',
  quiet: 'text-ink-2 hover:not-aria-disabled:bg-hover hover:not-aria-disabled:text-ink',
  danger: 'bg-bad-fill text-[oklch(0.99_0_0)] hover:not-aria-disabled:brightness-110',
};

export const buttonClass = (kind: Kind = 'plain', small = false): string =>
  cn(
    'inline-flex shrink-0 items-center justify-center gap-1.5 rounded-md font-medium whitespace-nowrap select-none transition-colors duration-100 aria-disabled:cursor-not-allowed aria-disabled:opacity-50',
    small ? 'h-7 px-2.5 text-xs' : 'h-8 px-3 text-sm',
    kinds[kind],
  );

export interface ButtonProps extends Omit<ComponentProps<'button'>, 'disabled'> {
  kind?: Kind;
  small?: boolean;
  /** Why it cannot be pressed; shown to whoever points at it or tabs to it. */
  refusal?: string | null;
  busy?: boolean;
  icon?: ReactNode;
}

/** A refused button stays focusable, so that everybody can learn the reason. */
export function Button({ kind = 'plain', small = false, refusal = null, busy = false, icon, className, children, onClick, ...rest }: ButtonProps) {
  const off = refusal !== null || busy;
  const button = (
    <button
      type="button"
      {...rest}
      aria-disabled={off || undefined}
      aria-busy={busy || undefined}
      className={cn(buttonClass(kind, small), className)}
      onClick={(event) => {
        if (off) event.preventDefault();
        else onClick?.(event);
      }}
    >
      {icon}
      {children}
    </button>
  );
  return refusal === null ? button : <Tooltip text={refusal}>{button}</Tooltip>;
}

export function IconButton({
  label,
  children,
  className,
  side = 'bottom',
  ...rest
}: ComponentProps<'button'> & { label: string; side?: 'top' | 'bottom' | 'left' | 'right' }) {
  return (
    <Tooltip text={label} side={side}>
      <button
        type="button"
        aria-label={label}
        {...rest}
        className={cn('inline-flex size-8 shrink-0 items-center justify-center rounded-md text-ink-2 hover:bg-hover hover:text-ink', className)}
      >
        {children}
      </button>
    </Tooltip>
  );
}
