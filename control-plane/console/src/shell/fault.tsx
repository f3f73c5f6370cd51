import { Link, type ErrorComponentProps } from '@tanstack/react-router';
import { Button } from '../ui/button.tsx';
import { Code } from '../ui/badge.tsx';
import { errorWords } from '../ui/toasts.ts';
import { Mark } from './mark.tsx';

/** A page that could not be shown: what happened, its code, and what to do. */
export function Fault({ error, reset }: ErrorComponentProps) {
  const { code, title, hint } = errorWords(error);
  return (
    <main className="mx-auto flex min-h-[60dvh] max-w-md flex-col items-start justify-center gap-3 px-6">
      <Mark className="size-8" />
      <h1 className="text-lg font-semibold">{title}</h1>
      <p className="text-sm text-ink-2">{hint}.</p>
      <div className="flex items-center gap-3">
        <Button kind="primary" onClick={() => (code === 'INTERNAL' ? globalThis.location.reload() : reset())}>
          Try again
        </Button>
        <Code>{code}</Code>
      </div>
    </main>
  );
}

export function NotFound() {
  return (
    <main className="mx-auto flex min-h-[60dvh] max-w-md flex-col items-start justify-center gap-3 px-6">
      <h1 className="text-lg font-semibold">There is no such page</h1>
      <p className="text-sm text-ink-2">The address may be from another version, or mistyped.</p>
      <Link to="/" className="text-sm font-medium text-link underline-offset-4 hover:underline">
        Go to the overview
      </Link>
    </main>
  );
}
