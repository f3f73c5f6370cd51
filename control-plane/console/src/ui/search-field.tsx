import { Search } from 'lucide-react';
import { cn } from './cn.ts';

interface SearchFieldProps {
  label: string;
  /** The label where nothing else is said. */
  placeholder?: string;
  value: string;
  onChange(text: string): void;
  /** A box in a crowded head instead of one that takes the room there is. */
  narrow?: boolean;
}

/** Where a list is narrowed down by what is typed. */
export function SearchField({ label, placeholder = label, value, onChange, narrow = false }: SearchFieldProps) {
  return (
    <div className={cn('relative', !narrow && 'min-w-48 flex-1 sm:max-w-72')}>
      <Search className="pointer-events-none absolute top-2 left-2.5 size-4 text-ink-3" aria-hidden />
      <input
        type="search"
        aria-label={label}
        placeholder={placeholder}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        className={cn('h-8 rounded-md border border-line-strong bg-surface pr-2 pl-8 text-sm placeholder:text-ink-3', narrow ? 'w-36' : 'w-full')}
      />
    </div>
  );
}
