import { cn } from '../ui/cn.ts';
import { ChartFrame } from './chart-frame.tsx';

export interface Bar {
  name: string;
  /** 0 to 1, of the longest bar. */
  length: number;
  value: string;
}

/** Bars beside one another with their names and values in words: the list itself is what a screen reader reads. */
export function BarList({
  title,
  head,
  bars,
  color = 'var(--series-1)',
  mono = false,
}: {
  title: string;
  head: readonly [string, string];
  bars: readonly Bar[];
  color?: string;
  mono?: boolean;
}) {
  return (
    <ChartFrame title={title} table={() => ({ caption: title, head, rows: bars.map(({ name, value }) => [name, value]) })}>
      <ol className="flex flex-col gap-1">
        {bars.map(({ name, length, value }) => (
          <li key={name} className="grid grid-cols-[minmax(0,9rem)_minmax(0,1fr)_auto] items-center gap-x-3 text-xs">
            <span title={name} className={cn('truncate', mono && 'font-mono')}>
              {name === '' ? '(empty)' : name}
            </span>
            <span className="h-3 rounded-xs bg-sunken" aria-hidden>
              <span className="block h-full min-w-px rounded-xs" style={{ width: `${Math.min(1, Math.max(0, length)) * 100}%`, backgroundColor: color }} />
            </span>
            <span className="min-w-14 text-right text-ink-2 tabular-nums">{value}</span>
          </li>
        ))}
      </ol>
    </ChartFrame>
  );
}
