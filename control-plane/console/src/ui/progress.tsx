import { cn } from './cn.ts';

export function ProgressBar({
  fraction,
  label,
  tone = 'primary',
  className,
  ...rest
}: {
  fraction: number;
  label: string;
  tone?: 'primary' | 'ok' | 'bad';
  className?: string;
  'data-testid'?: string;
}) {
  const percent = Math.round(Math.min(1, Math.max(0, fraction)) * 100);
  return (
    <div
      {...rest}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
      className={cn('h-1.5 overflow-hidden rounded-full bg-line', className)}
    >
      <div
        className={cn('h-full rounded-full transition-[width] duration-300', tone === 'ok' ? 'bg-ok' : tone === 'bad' ? 'bg-bad-fill' : 'bg-ink')}
        style={{ width: `${percent}%` }}
      />
    </div>
  );
}
