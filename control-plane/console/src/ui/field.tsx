import { ChevronDown } from 'lucide-react';
import { useId, type ComponentProps, type ReactNode } from 'react';
import { cn } from './cn.ts';

const boxClass = 'h-8 rounded-md border border-line-strong bg-surface px-2.5 text-sm text-ink placeholder:text-ink-3';

export function TextField({
  label,
  hideLabel = false,
  hint,
  problem,
  className,
  ...rest
}: ComponentProps<'input'> & { label: string; hideLabel?: boolean; hint?: string | undefined; problem?: string | undefined }) {
  const id = useId();
  return (
    <div className={cn('flex flex-col gap-1', className)}>
      <label htmlFor={id} className={hideLabel ? 'sr-only' : 'text-xs font-medium text-ink-2'}>
        {label}
      </label>
      <input
        id={id}
        aria-describedby={(problem ?? hint) === undefined ? undefined : `${id}-hint`}
        aria-invalid={problem === undefined ? undefined : true}
        {...rest}
        className={cn(boxClass, problem !== undefined && 'border-bad')}
      />
      {(problem ?? hint) !== undefined && (
        <p id={`${id}-hint`} className={cn('text-xs', problem === undefined ? 'text-ink-3' : 'text-bad')}>
          {problem ?? hint}
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

export function TextArea({
  label,
  hint,
  problem,
  className,
  ...rest
}: ComponentProps<'textarea'> & { label: string; hint?: string; problem?: string | undefined }) {
  const id = useId();
  return (
    <div className={cn('flex flex-col gap-1', className)}>
      <label htmlFor={id} className="text-xs font-medium text-ink-2">
        {label}
      </label>
      <textarea
        id={id}
        aria-describedby={(problem ?? hint) === undefined ? undefined : `${id}-hint`}
        aria-invalid={problem === undefined ? undefined : true}
        {...rest}
        className={cn(boxClass, 'h-auto min-h-16 py-1.5', problem !== undefined && 'border-bad')}
      />
      {(problem ?? hint) !== undefined && (
        <p id={`${id}-hint`} className={cn('text-xs', problem === undefined ? 'text-ink-3' : 'text-bad')}>
          {problem ?? hint}
        </p>
      )}
    </div>
  );
}
