import type { ComponentProps, ReactNode } from 'react';
import { cn } from './cn.ts';

export function Panel({ className, ...rest }: ComponentProps<'section'>) {
  return <section {...rest} className={cn('rounded-lg border border-line bg-surface shadow-raised', className)} />;
}

export function PanelHead({ title, note, children, id }: { title: ReactNode; note?: ReactNode; children?: ReactNode; id?: string }) {
  return (
    <div className="flex min-h-11 flex-wrap items-center gap-x-3 gap-y-1 border-b border-line px-4 py-2">
      <h2 id={id} className="text-sm font-semibold">
        {title}
      </h2>
      {note !== undefined && <span className="text-xs text-ink-3">{note}</span>}
      {children !== undefined && <div className="ml-auto flex flex-wrap items-center gap-2">{children}</div>}
    </div>
  );
}

interface PageProps {
  title: ReactNode;
  /** What the tab and the history call it, where the title is more than words. */
  name?: string;
  note?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}

export function Page({ title, name = typeof title === 'string' ? title : '', note, actions, children }: PageProps) {
  return (
    <div className="mx-auto flex w-full max-w-[92rem] flex-col gap-5 px-4 py-5 sm:px-6 lg:px-8 lg:py-7">
      <title>{name === '' ? 'Serin' : `${name} · Serin`}</title>
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <div className="min-w-0">
          <h1 className="text-xl font-semibold tracking-[-0.015em]">{title}</h1>
          {note !== undefined && note !== false && <p className="text-sm text-ink-3">{note}</p>}
        </div>
        {actions !== undefined && <div className="ml-auto flex flex-wrap items-center gap-2">{actions}</div>}
      </div>
      {children}
    </div>
  );
}

/** One sentence, and where it helps the one thing to do. */
export function Empty({ title, children, action }: { title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className="flex flex-col items-center gap-1.5 px-6 py-10 text-center">
      <p className="text-sm font-medium">{title}</p>
      {children !== undefined && <p className="max-w-md text-sm text-ink-3">{children}</p>}
      {action !== undefined && <div className="mt-2 max-w-full">{action}</div>}
    </div>
  );
}

export function Skeleton({ className }: { className?: string }) {
  return <div aria-hidden className={cn('animate-pulse-soft rounded-md bg-sunken', className)} />;
}

export function Facts({ children, className }: { children: ReactNode; className?: string }) {
  return <dl className={cn('grid grid-cols-[auto_minmax(0,1fr)] gap-x-6 gap-y-2 text-sm', className)}>{children}</dl>;
}

export function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <>
      <dt className="text-ink-3">{name}</dt>
      <dd className="min-w-0 text-right break-words">{children}</dd>
    </>
  );
}
