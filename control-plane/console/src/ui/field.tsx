import { ChevronDown } from 'lucide-react';
import { useId, type ComponentProps, type ReactNode } from 'react';
import { cn } from './cn.ts';

const boxClass = 'h-8 rounded-md border border-line-strong bg-surface px-2.5 text-sm text-ink placeholder:text-ink-3';

export function TextField({
  label,
  hideLabel = false,
  hint,
  className,
  ...rest
}: ComponentProps<'input'> & { label: string; hideLabel?: boolean; hint?: string }) {
  const id = useId();
  return (
    <div className={cn('flex flex-col gap-1', className)}>
      <label htmlFor={id} className={hideLabel ? 'sr-only' : 'text-xs font-medium text-ink-2'}>
        {label}
      </label>
      <input id={id} aria-describedby={hint === undefined ? undefined : `${id}-hint`} {...rest} className={boxClass} />
      {hint !== undefined && (
        <p id={`${id}-hint`} className="text-xs text-ink-3">
          {hint}
        </p>
      )}
    </div>
  );
}

export function SelectField({
  label,
  hideLabel = false,
  className,
  children,
  ...rest
}: ComponentProps<'select'> & { label: string; hideLabel?: boolean; children: ReactNode }) {
  const id = useId();
  return (
    <div className={cn('flex flex-col gap-1', className)}>
      <label htmlFor={id} className={hideLabel ? 'sr-only' : 'text-xs font-medium text-ink-2'}>
        {label}
      </label>
      <span className="relative flex">
        <select id={id} {...rest} className={cn(boxClass, 'w-full cursor-pointer appearance-none pr-8')}>
          {children}
        </select>
        <ChevronDown className="pointer-events-none absolute top-2 right-2 size-4 text-ink-3" aria-hidden />
      </span>
    </div>
  );
}
